using Peft.Checkpoints;

namespace Peft.Core.Tests.Checkpoints;

public class PyTorchFuzzTests
{
    private static readonly byte[][] Seeds = [.. new[] { "module", "views", "types", "mixed", "legacy-views", "legacy-types" }.Select(name => File.ReadAllBytes(PyTorchFileTests.PathOf(name + ".bin")))];

    [Fact]
    public void Six_thousand_damaged_files_are_read_or_refused_and_nothing_else()
    {
        using var folder = new TemporaryFolder();
        var random = new Random(20240712);
        int read = 0, refused = 0;
        for (int i = 0; i < 6_000; i++)
        {
            byte[] content = [.. Seeds[random.Next(Seeds.Length)]];
            for (int n = random.Next(1, 4); n > 0 && content.Length > 0; n--) content = Damage(content, random);
            string path = folder.Write("file", content);
            long before = GC.GetAllocatedBytesForCurrentThread();
            try
            {
                using var file = PyTorchFile.Open(path);
                foreach (var entry in file.Tensors.Values.Where(entry => entry.Type is not null))
                {
                    entry.ByteLength.ShouldBeLessThanOrEqualTo(1 << 20);
                    file.Read(entry.Name).Dispose();
                }
                read++;
            }
            catch (CheckpointException)
            {
                refused++;
            }
            (GC.GetAllocatedBytesForCurrentThread() - before).ShouldBeLessThan(2_000_000, $"file {i}");
        }
        // A mutator that only ever breaks, or never breaks, a file would test nothing.
        read.ShouldBeGreaterThan(300);
        refused.ShouldBeGreaterThan(300);
    }

    // The first bytes hold the pickle, the last the list of entries.
    private static byte[] Damage(byte[] content, Random random)
    {
        int at = random.Next(3) switch { 0 => random.Next(content.Length), 1 => random.Next(Math.Min(content.Length, 1200)), _ => content.Length - 1 - random.Next(Math.Min(content.Length, 1200)) };
        switch (random.Next(6))
        {
            case 0: // a bit
                content[at] ^= (byte)(1 << random.Next(8));
                return content;
            case 1: // any byte
                content[at] = (byte)random.Next(256);
                return content;
            case 2: // another instruction
                content[at] = (byte)"(.N}])tuseabcqrhjRQKMJXU\x80\x85\x86\x87\x88\x89\x8a"[random.Next(31)];
                return content;
            case 3: // cut
                return random.Next(4) == 0 ? content[..at] : content;
            case 4: // a piece of another file written over
                byte[] other = Seeds[random.Next(Seeds.Length)];
                int from = random.Next(other.Length), count = Math.Min(random.Next(64), Math.Min(other.Length - from, content.Length - at));
                other.AsSpan(from, count).CopyTo(content.AsSpan(at));
                return content;
            default: // a number becomes a large or negative one
                byte[] number = BitConverter.GetBytes(random.NextInt64() >> random.Next(64));
                number.AsSpan(0, Math.Min(random.Next(1, 9), content.Length - at)).CopyTo(content.AsSpan(at));
                return content;
        }
    }
}
