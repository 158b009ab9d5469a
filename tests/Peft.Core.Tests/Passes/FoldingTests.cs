using Peft.Modules;
using static TorchSharp.torch;

namespace Peft.Core.Tests.Passes;

/// <summary>When passes without gradients use copies of weights with the adapters in them.</summary>
public sealed class FoldingTests
{
    private const int Small = 64, Large = 1536;   // two matrices of 9 MB exceed the processor's caches

    [Theory]
    [InlineData(Small, "lora", true)]     // a decode step is then shorter
    [InlineData(Large, "lora", false)]    // the products of a decode step add a low-rank update at less cost
    [InlineData(Large, "dora", true)]     // it is no low-rank update
    public void Weights_are_folded_if_that_pays_off_and_outputs_are_the_same(int size, string method, bool folds)
    {
        using var scope = NewDisposeScope();
        manual_seed(1);
        using var model = nn.Sequential(("first", new Linear(size, size)), ("second", new Linear(size, size)));
        using (no_grad())
            foreach (var parameter in model.parameters()) parameter.normal_(0, 0.02);
        using var peft = model.ApplyAdapter(new LoraOptions { Rank = 4, UseDora = method == "dora", TargetModules = ["first", "second"] });
        foreach (var (_, tensor) in peft.Trainables)
            using (no_grad()) tensor.add_(randn_like(tensor), alpha: 0.02);
        using var _ = inference_mode();
        var input = randn(3, size);
        var expected = model.call(input);
        using (peft.ForInference())
        {
            using (var pass = peft.UsePass()) pass.State.KeepsFolded.ShouldBe(folds);
            model.call(input).Difference(expected).ShouldBeLessThan(1e-3);
        }
        using (var pass = peft.UsePass()) pass.State.KeepsFolded.ShouldBeFalse();
    }

    // The kernel of training adds the update; with far more rows, folding is cheaper.
    [Theory]
    [InlineData(40), InlineData(300), InlineData(2000)]
    public void Outputs_of_many_rows_without_gradients_are_those_of_training(int rows)
    {
        using var scope = NewDisposeScope();
        manual_seed(1);
        using var model = nn.Sequential(("first", new Linear(Small, 96)));
        using (no_grad())
            foreach (var parameter in model.parameters()) parameter.normal_(0, 0.1);
        using var peft = model.ApplyAdapter(new LoraOptions { Rank = 4, Alpha = 6, TargetModules = ["first"] });
        foreach (var (_, tensor) in peft.Trainables)
            using (no_grad()) tensor.normal_(0, 0.1);
        var input = randn(2, rows / 2, Small);
        var trained = model.call(input);
        using (no_grad()) model.call(input).Difference(trained).ShouldBeLessThan(1e-5);
        using (inference_mode()) model.call(input).Difference(trained).ShouldBeLessThan(1e-5);
    }

    [Fact]
    public void Copies_stay_within_the_given_size()
    {
        using var model = nn.Sequential(("first", new Linear(Small, Small)));
        using var peft = model.ApplyAdapter(new LoraOptions { Rank = 4, TargetModules = ["first"] });
        using var _ = peft.ForInference(maximumBytes: Small * Small * sizeof(float) - 1);
        using var pass = peft.UsePass();
        pass.State.KeepsFolded.ShouldBeFalse();
    }
}
