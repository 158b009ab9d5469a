using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Adapters.Tests;

public sealed class InvertibleTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();
    private readonly TinyTransformer model = new("llama");
    private readonly Tensor ids;

    public InvertibleTests()
    {
        manual_seed(8);
        ids = randint(TinyTransformer.Vocabulary, [2, 5]);
    }

    public void Dispose()
    {
        model.Dispose();
        scope.Dispose();
    }

    [Fact]
    public void A_NICE_coupling_stands_after_the_embeddings_and_its_inverse_before_the_head()
    {
        using var peft = model.ApplyAdapter(BottleneckOptions.Pfeiffer with { ReductionFactor = 2, Invertible = "nice" });
        peft.Shake();
        var state = peft.StateOf(peft.Find("default"));
        Tensor Network(Tensor x, string name)
        {
            Tensor W(string part) => state[$"base_model.model.embed.{name}.{part}"];
            return nn.functional.linear(nn.functional.linear(x, W("0.weight"), W("0.bias")).relu(), W("2.weight"), W("2.bias"));
        }
        Tensor Couple(Tensor x)
        {
            var (x1, x2) = (x.narrow(-1, 0, 4), x.narrow(-1, 4, 4));
            var y1 = x1 + Network(x2, "F");
            return cat([y1, x2 + Network(y1, "G")], -1);
        }
        Tensor Uncouple(Tensor y)
        {
            var (y1, y2) = (y.narrow(-1, 0, 4), y.narrow(-1, 4, 4));
            var x2 = y2 - Network(y1, "G");
            return cat([y1 - Network(x2, "F"), x2], -1);
        }
        var expected = model.ByFormula(ids, BottleneckTests.ByFormula(peft, BottleneckOptions.Pfeiffer), Couple, Uncouple);
        model.call(ids).Difference(expected).ShouldBeLessThan(1e-9);
        peft.ShouldHaveRightGradients(() => model.call(ids).square().mean());
        state.Keys.ShouldNotContain(key => key.Contains("base_layer", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("nice")]
    [InlineData("glow")]
    public void The_inverse_takes_the_coupling_back(string kind)
    {
        using var peft = model.ApplyAdapter(new BottleneckOptions { AfterFeedForward = false, Invertible = kind });
        peft.Shake(2);
        var coupling = peft.Find("default").Layers.OfType<InvertibleLayer>().Single();
        var x = randn([3, TinyTransformer.Size], ScalarType.Float64);
        using var off = peft.WithoutAdapters();
        var before = model.call(ids);
        off.Dispose();
        model.call(ids).Difference(before).ShouldBeGreaterThan(1e-3);
        coupling.Invert(coupling.Couple(x)).Difference(x).ShouldBeLessThan(1e-9);
        peft.ShouldHaveRightGradients(() => model.call(ids).square().mean());
    }
}
