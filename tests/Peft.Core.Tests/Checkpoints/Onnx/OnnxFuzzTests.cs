using Peft.Checkpoints;

namespace Peft.Core.Tests.Checkpoints;

public class OnnxFuzzTests
{
    private static readonly byte[][] Seeds = [.. new[] { "types", "encoder", "external" }.Select(name => File.ReadAllBytes(OnnxFileTests.PathOf(name + ".onnx")))];

    [Fact]
    public void Six_thousand_damaged_files_are_read_or_refused_and_nothing_else()
    {
        using var folder = new TemporaryFolder();
        folder.Write("external.bin", File.ReadAllBytes(OnnxFileTests.PathOf("external.bin")));
        var random = new Random(20240713);
        int read = 0, refused = 0;
        for (int i = 0; i < 6_000; i++)
        {
            byte[] content = [.. Seeds[random.Next(Seeds.Length)]];
            for (int n = random.Next(1, 4); n > 0 && content.Length > 0; n--) content = Damage(content, random);
            string path = folder.Write("file.onnx", content);
            long before = GC.GetAllocatedBytesForCurrentThread();
            try
            {
                using var file = OnnxFile.Open(path);
                foreach (var entry in file.Tensors.Values.Where(entry => entry.Type is not null))
                {
                    entry.ByteLength.ShouldBeLessThanOrEqualTo(8L * content.Length);
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

    private static byte[] Damage(byte[] content, Random random)
    {
        int at = random.Next(content.Length);
        switch (random.Next(6))
        {
            case 0: // a bit
                content[at] ^= (byte)(1 << random.Next(8));
                return content;
            case 1: // any byte
                content[at] = (byte)random.Next(256);
                return content;
            case 2: // another field of a tensor, node or graph
                content[at] = (byte)((random.Next(1, 16) << 3) | "\0\x1\x2\x5"[random.Next(4)]);
                return content;
            case 3: // cut
                return random.Next(4) == 0 ? content[..at] : content;
            case 4: // a piece of another file written over
                byte[] other = Seeds[random.Next(Seeds.Length)];
                int from = random.Next(other.Length), count = Math.Min(random.Next(64), Math.Min(other.Length - from, content.Length - at));
                other.AsSpan(from, count).CopyTo(content.AsSpan(at));
                return content;
            default: // a long number
                for (int end = Math.Min(content.Length, at + random.Next(1, 10)); at < end; at++) content[at] |= 0x80;
                return content;
        }
    }
}
