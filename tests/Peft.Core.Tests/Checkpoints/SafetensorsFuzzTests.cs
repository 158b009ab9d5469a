using Peft.Checkpoints;

namespace Peft.Core.Tests.Checkpoints;

public class SafetensorsFuzzTests
{
    private static readonly FileFuzz Fuzz = new([.. new[] { "waveft-gpt2", "supertuning-llama", "batch-llama-seqcls" }.Select(name => File.ReadAllBytes(Samples.PathOf(name + ".safetensors")))], SafetensorsFile.Open)
    {
        Damage = Damage,
        Check = (entries, length) => entries.Sum(entry => entry.ByteLength).ShouldBeLessThanOrEqualTo(length),
    };

    [Fact]
    public void Ten_thousand_damaged_files_are_read_or_refused_and_nothing_else() => Fuzz.Run(10_000, seed: 20240711, least: 500);

    private static byte[] Damage(byte[] content, Random random)
    {
        if (content.Length < 8) return [.. content, (byte)random.Next(256)];
        int at = random.Next(content.Length), inHeader = random.Next(8, Math.Max(9, Math.Min(content.Length, 400)));
        switch (random.Next(7))
        {
            case 0: // a bit anywhere
                content[at] ^= (byte)(1 << random.Next(8));
                return content;
            case 1: // a byte of the JSON becomes another of JSON's own
                content[Math.Min(inHeader, content.Length - 1)] = (byte)"0123456789{}[]\",:-. \\eut"[random.Next(24)];
                return content;
            case 2: // cut
                return content[..at];
            case 3: // the header length, by a little or by all
                BitConverter.TryWriteBytes(content, random.Next(2) == 0 ? random.NextInt64() : BitConverter.ToInt64(content) + random.Next(-9, 10));
                return content;
            case 4: // a piece of another file written over
                return Fuzz.Splice(content, at, random);
            case 5: // a piece of itself inserted
                int length = Math.Min(random.Next(64), content.Length - at), place = Math.Min(inHeader, content.Length);
                return [.. content[..place], .. content.AsSpan(at, length), .. content[place..]];
            default: // rest
                return [.. content, .. new byte[random.Next(1, 9)]];
        }
    }
}
