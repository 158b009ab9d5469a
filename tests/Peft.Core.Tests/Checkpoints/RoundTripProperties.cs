using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;
using Peft.Checkpoints;
using static TorchSharp.torch;

namespace Peft.Core.Tests.Checkpoints;

[Properties(Arbitrary = [typeof(RoundTripProperties)])]
public class RoundTripProperties
{
    private static readonly ScalarType[] Types =
    [
        ScalarType.Bool, ScalarType.Byte, ScalarType.Int8, ScalarType.Int16, ScalarType.Int32, ScalarType.Int64,
        ScalarType.Float16, ScalarType.BFloat16, ScalarType.Float32, ScalarType.Float64, ScalarType.ComplexFloat32,
    ];

    private static readonly string[] Pieces =
        ["a", "Z", "0", ".", "weight", " ", "/", "\"", "\\", "\n", "\t", "\0", "\u001f", "\u007f", "é", "中", "\u2028", "\uE000", "\uFFFF", "😀", "<&'+>", "{", "}"];

    /// <summary>A tensor to be: raw bytes from the seed, so NaNs and infinities of all kinds occur.</summary>
    public sealed record Plan(string Name, ScalarType Type, long[] Shape, int Seed)
    {
        public Tensor Make()
        {
            var tensor = empty(Shape, Type);
            var bytes = tensor.bytes;
            new Random(Seed).NextBytes(bytes);
            if (Type == ScalarType.Bool) foreach (ref byte b in bytes) b &= 1;
            return tensor;
        }
    }

    private static Gen<string> Text => Gen.Elements(Pieces).ListOf().Select(pieces => string.Concat(pieces));

    public static Arbitrary<Plan[]> Plans() => Arb.From(
        from plans in (
            from name in Text
            from type in Gen.Elements(Types)
            from rank in Gen.Choose(0, 4)
            from shape in Gen.Choose(0, 4).Select(length => (long)length).ArrayOf(rank)
            from seed in Gen.Choose(0, int.MaxValue)
            select new Plan(name, type, shape, seed)).ListOf()
        select plans.DistinctBy(plan => plan.Name).ToArray());

    public static Arbitrary<Dictionary<string, string>> Metadata() => Arb.From(
        from keys in Text.ListOf()
        from values in Text.ListOf(keys.Count)
        select keys.Zip(values).DistinctBy(pair => pair.First).ToDictionary(pair => pair.First, pair => pair.Second));

    [Property(MaxTest = 100)]
    public void What_is_written_is_read_and_written_again_the_same(Plan[] plans, Dictionary<string, string> metadata)
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        var tensors = plans.ToDictionary(plan => plan.Name, plan => plan.Make());
        SafetensorsWriter.Write(folder["once"], tensors, metadata);

        using var file = SafetensorsFile.Open(folder["once"]);
        file.Metadata.ShouldBe(metadata, ignoreOrder: true);
        file.Keys.ShouldBe(tensors.Keys, ignoreOrder: true);
        foreach (var (name, expected) in tensors)
        {
            var actual = file.Read(name);
            actual.dtype.ShouldBe(expected.dtype);
            actual.shape.ShouldBe(expected.shape);
            actual.bytes.SequenceEqual(expected.bytes).ShouldBeTrue(name);
        }

        SafetensorsWriter.Write(folder["twice"], Samples.ReadAll(file), file.Metadata);
        File.ReadAllBytes(folder["twice"]).ShouldBe(File.ReadAllBytes(folder["once"]));
    }
}
