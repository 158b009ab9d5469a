using Peft.Checkpoints;

namespace Peft.Core.Tests.Checkpoints.Onnx;

public class OnnxFuzzTests
{
    private static readonly FileFuzz Fuzz = new([.. new[] { "types", "encoder", "external" }.Select(name => File.ReadAllBytes(OnnxFileTests.PathOf(name + ".onnx")))], path => OnnxFile.Open(path))
    {
        Name = "file.onnx",
        Beside = new Dictionary<string, byte[]> { ["external.bin"] = File.ReadAllBytes(OnnxFileTests.PathOf("external.bin")) },
        Damage = Damage,
        Check = (entries, length) => entries.ShouldAllBe(entry => entry.ByteLength <= 8L * length),
    };

    [Fact]
    public void Six_thousand_damaged_files_are_read_or_refused_and_nothing_else() => Fuzz.Run(6_000, seed: 20240713, least: 300);

    private static byte[] Damage(byte[] content, Random random)
    {
        if (content.Length == 0) return content;
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
                return Fuzz.Splice(content, at, random);
            default: // a long number
                for (int end = Math.Min(content.Length, at + random.Next(1, 10)); at < end; at++) content[at] |= 0x80;
                return content;
        }
    }
}
