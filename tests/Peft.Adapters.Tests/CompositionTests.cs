using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Adapters.Tests;

/// <summary>Compositions of bottleneck adapters against their formulas in float64; the blocks are the same for every method.</summary>
public sealed class CompositionTests : IDisposable
{
    private const double Exact = 1e-9;

    private static readonly BottleneckOptions Kind = BottleneckOptions.Pfeiffer with { ReductionFactor = 2 };

    private readonly DisposeScope scope = NewDisposeScope();
    private readonly TinyTransformer model = new("bert");
    private readonly PeftModel peft;
    private readonly Tensor ids;

    public CompositionTests()
    {
        manual_seed(7);
        ids = randint(TinyTransformer.Vocabulary, [4, 6]);
        peft = model.ApplyAdapter(Kind, "a");
        peft.Add("b", Kind);
        peft.Add("c", Kind);
        peft.Activate("a", "b", "c");
        peft.Shake(0.7);
    }

    public void Dispose()
    {
        peft.Dispose();
        model.Dispose();
        scope.Dispose();
    }

    // The adapter alone, before the model adds the residual stream and norms.
    private Tensor Alone(string name, int layer, Tensor h, Tensor r, Func<Tensor, Tensor> norm)
        => Raw(BottleneckTests.ByFormula(peft, Kind, name), layer, h, r, norm);

    private static Tensor Raw(Func<int, bool, Tensor, Tensor, Func<Tensor, Tensor>?, Tensor> formula, int layer, Tensor h, Tensor r, Func<Tensor, Tensor> norm)
    {
        // The last use of the norm is the model's own: what it is given there, less the stream, is the adapter's output.
        Tensor last = h;
        formula(layer, false, h, r, value => { last = value; return norm(value); });
        return last - r;
    }

    private Tensor Expected(Tensor input, Func<int, Tensor, Tensor, Func<Tensor, Tensor>, Tensor> position)
        => model.ByFormula(input, (layer, attention, h, r, norm) => norm!(attention ? h + r : position(layer, h, r, norm) + r));

    [Fact]
    public void A_stack_runs_one_after_another()
    {
        peft.Activate(Composition.Stack("a", "b"));
        model.call(ids).Difference(Expected(ids, (layer, h, r, norm) => Alone("b", layer, Alone("a", layer, h, r, norm), r, norm))).ShouldBeLessThan(Exact);
        peft.Active.ShouldBe(["a", "b"]);
        var before = model.call(ids);
        peft.Activate("a", "b");
        model.call(ids).Difference(before).ShouldBe(0);
    }

    [Fact]
    public void An_average_weighs_the_outputs()
    {
        peft.Activate(Composition.Average(("a", 3), ("b", 1)));
        model.call(ids).Difference(Expected(ids, (layer, h, r, norm) => 0.75 * Alone("a", layer, h, r, norm) + 0.25 * Alone("b", layer, h, r, norm))).ShouldBeLessThan(Exact);
        peft.ShouldHaveRightGradients(() => model.call(ids).square().mean());
    }

    [Fact]
    public void A_split_gives_each_a_run_of_positions()
    {
        peft.Activate(Composition.Split(("a", 2), (Composition.Stack("b", "c"), 4)));
        model.call(ids).Difference(Expected(ids, (layer, h, r, norm) => cat([
            Alone("a", layer, h.narrow(1, 0, 2), r.narrow(1, 0, 2), norm),
            Alone("c", layer, Alone("b", layer, h.narrow(1, 2, 4), r.narrow(1, 2, 4), norm), r.narrow(1, 2, 4), norm)], 1))).ShouldBeLessThan(Exact);
        peft.ShouldHaveRightGradients(() => model.call(ids).square().mean());
        Should.Throw<PeftException>(() => model.call(ids.narrow(1, 0, 5))).Message.ShouldContain("2 + 4");
    }

    [Fact]
    public void A_batch_split_gives_each_a_run_of_rows_and_parallel_equal_ones()
    {
        peft.Activate(Composition.BatchSplit(("a", 1), ("b", 3)));
        model.call(ids).Difference(cat([With("a", ids.narrow(0, 0, 1)), With("b", ids.narrow(0, 1, 3))])).ShouldBeLessThan(Exact);
        peft.Activate(Composition.Parallel("c", Composition.Average("a", "b")));
        var both = model.call(cat([ids, ids]));
        both.narrow(0, 0, 4).Difference(With("c", ids)).ShouldBeLessThan(Exact);
        both.narrow(0, 4, 4).Difference(With(Composition.Average("a", "b"), ids)).ShouldBeLessThan(Exact);
    }

    [Fact]
    public void Rows_of_a_batch_choose_adapters_that_need_the_residual_stream()
    {
        Tensor mixed;
        using (peft.Rows("b", "a", PeftModel.Base, "b")) mixed = model.call(ids);
        mixed.narrow(0, 1, 1).Difference(With("a", ids.narrow(0, 1, 1))).ShouldBeLessThan(Exact);
        mixed.narrow(0, 2, 1).Difference(With(null, ids.narrow(0, 2, 1))).ShouldBeLessThan(Exact);
        mixed.narrow(0, 3, 1).Difference(With("b", ids.narrow(0, 3, 1))).ShouldBeLessThan(Exact);
    }

    [Fact]
    public void Renaming_and_deleting_follow_into_the_composition()
    {
        peft.Activate(Composition.Average("a", "b"));
        var before = model.call(ids);
        peft.Rename("a", "z");
        model.call(ids).Difference(before).ShouldBe(0);
        peft.Active.ShouldBe(["z", "b"]);
        peft.Delete("b");
        model.call(ids).Difference(With("z", ids)).ShouldBeLessThan(Exact);
        Should.Throw<ArgumentException>(() => peft.Activate(Composition.Stack("z", "z"))).Message.ShouldContain("once");
        Should.Throw<AdapterNotFoundException>(() => peft.Activate(Composition.Stack("z", "b")));
    }

    [Fact]
    public void An_average_of_adapters_that_merge_merges()
    {
        using var other = new TinyTransformer("llama");
        using var vectors = other.ApplyIa3(["q_proj", "down_proj"], feedForward: ["down_proj"]);
        vectors.Add("second", new Ia3Options { TargetModules = ["q_proj"] });
        vectors.Activate("default", "second");
        vectors.Shake();
        vectors.Activate(Composition.Average(("default", 2), ("second", 1)));
        var before = other.call(ids);
        vectors.Merge();
        other.call(ids).Difference(before).ShouldBeLessThan(Exact);
        vectors.Unmerge();
        vectors.Activate(Composition.Split(("default", 3), ("second", 3)));
        Should.Throw<NotMergeableException>(() => vectors.Merge());
    }

    private Tensor With(Composition? active, Tensor input)
    {
        peft.Activate(active);
        return model.call(input);
    }
}
