using Peft.Checkpoints;

namespace Peft.Core.Tests.Checkpoints;

public class FuzzTests
{
    private static readonly byte[][] Seeds =
    [
        .. new[] { "waveft-gpt2", "supertuning-llama", "batch-llama-seqcls" }.Select(name => File.ReadAllBytes(Samples.PathOf(name + ".safetensors"))),
    ];

    [Fact]
    public void Ten_thousand_damaged_files_are_read_or_refused_and_nothing_else()
    {
        using var folder = new TemporaryFolder();
        var random = new Random(20240711);
        int read = 0, refused = 0;
        for (int i = 0; i < 10_000; i++)
        {
            byte[] content = Seeds[random.Next(Seeds.Length)];
            for (int n = random.Next(1, 4); n > 0; n--) content = Damage(content, random);
            string path = folder.Write("file", content);
            long before = GC.GetAllocatedBytesForCurrentThread();
            try
            {
                using var file = SafetensorsFile.Open(path);
                file.Tensors.Values.Sum(entry => entry.ByteLength).ShouldBeLessThanOrEqualTo(content.Length);
                foreach (var entry in file.Tensors.Values.Where(entry => entry.Type is not null)) file.Read(entry.Name).Dispose();
                read++;
            }
            catch (CheckpointException)
            {
                refused++;
            }
            (GC.GetAllocatedBytesForCurrentThread() - before).ShouldBeLessThan(2_000_000, $"file {i}");
        }
        // A mutator that only ever breaks, or never breaks, a file would test nothing.
        read.ShouldBeGreaterThan(500);
        refused.ShouldBeGreaterThan(500);
    }

    private static byte[] Damage(byte[] content, Random random)
    {
        if (content.Length < 8) return [.. content, (byte)random.Next(256)];
        int at = random.Next(content.Length), inHeader = random.Next(8, Math.Max(9, Math.Min(content.Length, 400)));
        byte[] changed = [.. content];
        switch (random.Next(7))
        {
            case 0: // a bit anywhere
                changed[at] ^= (byte)(1 << random.Next(8));
                return changed;
            case 1: // a byte of the JSON becomes another of JSON's own
                changed[Math.Min(inHeader, changed.Length - 1)] = (byte)"0123456789{}[]\",:-. \\eut"[random.Next(24)];
                return changed;
            case 2: // cut
                return changed[..at];
            case 3: // the header length, by a little or by all
                BitConverter.TryWriteBytes(changed, random.Next(2) == 0 ? random.NextInt64() : BitConverter.ToInt64(changed) + random.Next(-9, 10));
                return changed;
            case 4: // a piece of another file written over
                byte[] other = Seeds[random.Next(Seeds.Length)];
                int from = random.Next(other.Length), count = Math.Min(random.Next(64), Math.Min(other.Length - from, changed.Length - at));
                other.AsSpan(from, count).CopyTo(changed.AsSpan(at));
                return changed;
            case 5: // a piece of itself inserted
                int length = Math.Min(random.Next(64), changed.Length - at);
                return [.. changed[..inHeaderOrEnd(changed)], .. changed.AsSpan(at, length), .. changed[inHeaderOrEnd(changed)..]];
            default: // rest
                return [.. changed, .. new byte[random.Next(1, 9)]];
        }

        int inHeaderOrEnd(byte[] bytes) => Math.Min(inHeader, bytes.Length);
    }
}
