using Peft.Checkpoints;

namespace Peft.Core.Tests.Checkpoints.PyTorch;

public class PyTorchFuzzTests
{
    private static readonly FileFuzz Fuzz = new([.. new[] { "module", "views", "types", "mixed", "legacy-views", "legacy-types" }.Select(name => File.ReadAllBytes(PyTorchFileTests.PathOf(name + ".bin")))], path => PyTorchFile.Open(path))
    {
        Damage = Damage,
        Check = (entries, _) => entries.ShouldAllBe(entry => entry.ByteLength <= 1 << 20),
    };

    [Fact]
    public void Six_thousand_damaged_files_are_read_or_refused_and_nothing_else() => Fuzz.Run(6_000, seed: 20240712, least: 300);

    // The first bytes hold the pickle, the last the list of entries.
    private static byte[] Damage(byte[] content, Random random)
    {
        if (content.Length == 0) return content;
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
                return Fuzz.Splice(content, at, random);
            default: // a number becomes a large or negative one
                byte[] number = BitConverter.GetBytes(random.NextInt64() >> random.Next(64));
                number.AsSpan(0, Math.Min(random.Next(1, 9), content.Length - at)).CopyTo(content.AsSpan(at));
                return content;
        }
    }
}
