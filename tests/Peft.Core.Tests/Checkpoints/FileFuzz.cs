using Peft.Checkpoints;

namespace Peft.Core.Tests.Checkpoints;

/// <summary>Files damaged at random: each is read or refused by name, and takes little memory.</summary>
/// <param name="good">Whole files to start from.</param>
/// <param name="open">Opens a file.</param>
internal sealed class FileFuzz(byte[][] good, Func<string, ITensorSource> open)
{
    /// <summary>The name of the damaged file.</summary>
    public string Name { get; init; } = "file";

    /// <summary>What lies beside the damaged file.</summary>
    public IReadOnlyDictionary<string, byte[]> Beside { get; init; } = new Dictionary<string, byte[]>();

    /// <summary>Damages a file once.</summary>
    public required Func<byte[], Random, byte[]> Damage { get; init; }

    /// <summary>Asserts what must be true of the tensors that a file of some length lists.</summary>
    public required Action<IReadOnlyCollection<TensorEntry>, int> Check { get; init; }

    /// <summary>Opens damaged files, and reads all tensors of each.</summary>
    /// <param name="count">How many files.</param>
    /// <param name="seed">The seed of the damage.</param>
    /// <param name="least">How many must be read, and how many refused: a mutator that only ever breaks, or never breaks, a file would test nothing.</param>
    public void Run(int count, int seed, int least)
    {
        using var folder = new TemporaryFolder();
        foreach (var (name, content) in Beside) folder.Write(name, content);
        var random = new Random(seed);
        int read = 0, refused = 0;
        for (int i = 0; i < count; i++)
        {
            byte[] content = [.. good[random.Next(good.Length)]];
            for (int n = random.Next(1, 4); n > 0; n--) content = Damage(content, random);
            string path = folder.Write(Name, content);
            long before = GC.GetAllocatedBytesForCurrentThread();
            try
            {
                using var file = open(path);
                TensorEntry[] readable = [.. file.Tensors.Values.Where(entry => entry.Type is not null)];
                Check(readable, content.Length);
                foreach (var entry in readable) file.Read(entry.Name).Dispose();
                read++;
            }
            catch (CheckpointException)
            {
                refused++;
            }
            (GC.GetAllocatedBytesForCurrentThread() - before).ShouldBeLessThan(2_000_000, $"file {i}");
        }
        read.ShouldBeGreaterThan(least);
        refused.ShouldBeGreaterThan(least);
    }

    /// <summary>Writes a piece of another whole file over a file's bytes from a position on.</summary>
    public byte[] Splice(byte[] content, int at, Random random)
    {
        byte[] other = good[random.Next(good.Length)];
        int from = random.Next(other.Length), count = Math.Min(random.Next(64), Math.Min(other.Length - from, content.Length - at));
        other.AsSpan(from, count).CopyTo(content.AsSpan(at));
        return content;
    }
}
