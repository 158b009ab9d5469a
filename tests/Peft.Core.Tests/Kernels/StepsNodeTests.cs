using Peft.Kernels;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Peft.Core.Tests.Kernels;

public class StepsNodeTests
{
    [Theory]
    [InlineData("rms", 16, 24)]   // small matrices: the factored product
    [InlineData("layer", 16, 24)]
    [InlineData("gated", 16, 24)]
    [InlineData("rms", 320, 264)] // large ones: BLAS and thin products
    [InlineData("layer", 320, 264)]
    [InlineData("unbiased layer", 320, 264)]
    [InlineData("gated", 320, 264)]
    public void Several_products_of_one_input_have_the_gradients_of_the_formula(string kind, int inputs, int outputs)
    {
        using var scope = NewDisposeScope();
        manual_seed(3);
        var (x, u) = (randn(2, 7, inputs).requires_grad_(), randn(2, 7, inputs).requires_grad_());
        var (weight, residual) = (randn(inputs).abs(), randn(2, 7, outputs).requires_grad_());
        var (w1, w2, w3) = (randn(outputs, inputs), randn(outputs, inputs), randn(outputs, inputs));
        var bias = randn(outputs);
        var (a1, b1, a2, b2) = (new Parameter(randn(3, inputs)), new Parameter(randn(outputs, 3)), new Parameter(randn(8, inputs)), new Parameter(randn(outputs, 8)));
        var slopes = new[] { randn(2, 7, outputs), randn(2, 7, outputs), randn(2, 7, outputs), randn(2, 7, outputs) };

        var shift = kind == "layer" ? randn(inputs) : null;
        NodeInput Input() => kind switch { "gated" => new ActivatedInput("silu"), "rms" => new NormalizedInput(weight, 1e-3, 1), _ => new CenteredInput(weight, shift, 1e-3) };
        Tensor[] sources = kind == "gated" ? [x, u] : [x];
        NodeProduct Product(Tensor w, Tensor? b, Tensor a, Tensor d) => ((NodeProduct?)FactoredProduct.Of(w, b, a, d, 0.5) ?? LowRankProduct.Of(new FrozenMatrix(w), b, a, d, 0.5)).ShouldNotBeNull();
        var ys = LinearStep.Run(Input(), sources, null, Product(w1, bias, a1, b1), PlainProduct.Of(new FrozenMatrix(w3), bias)!, Product(w2, null, a2, b2));
        var last = LinearStep.Run(Input(), sources, residual, PlainProduct.Of(new FrozenMatrix(w3), null)!)[0];
        autograd.backward([.. ys, last], slopes);

        Tensor[] leaves = [x, u, a1, b1, a2, b2, residual];
        var wide = leaves.Select(leaf => leaf.detach().to(float64).requires_grad_()).ToArray();
        var input = kind switch
        {
            "gated" => nn.functional.silu(wide[0]) * wide[1],
            "rms" => wide[0] * (wide[0].square().mean([-1], keepdim: true) + 1e-3).rsqrt() * (weight.to(float64) + 1),
            _ => nn.functional.layer_norm(wide[0], [inputs], weight.to(float64), shift?.to(float64), 1e-3),
        };
        Tensor Linear(Tensor w, Tensor? b) => nn.functional.linear(input, w, b?.to(float64));
        var exact = new[] { Linear(w1.to(float64) + 0.5 * wide[3].mm(wide[2]), bias), Linear(w3.to(float64), bias), Linear(w2.to(float64) + 0.5 * wide[5].mm(wide[4]), null), wide[6] + Linear(w3.to(float64), null) };
        autograd.backward(exact, slopes.Select(slope => slope.to(float64)).ToArray());

        foreach (var (ours, theirs) in ys.Append(last).Zip(exact)) ours.RelativeDifference(theirs).ShouldBeLessThan(3e-6);
        foreach (var (ours, theirs) in leaves.Zip(wide))
        {
            (ours.grad is null).ShouldBe(theirs.grad is null);   // up is no source of a norm
            if (ours.grad is { } gradient) gradient.RelativeDifference(theirs.grad!).ShouldBeLessThan(3e-6);
        }
    }

    [Fact]
    public void An_output_that_the_loss_does_not_use_has_the_gradient_zero()
    {
        using var scope = NewDisposeScope();
        var (x, w, a, b) = (randn(4, 16).requires_grad_(), randn(24, 16), new Parameter(randn(2, 16)), new Parameter(randn(24, 2)));
        var ys = LinearStep.Run(new PlainInput(), [x], null, FactoredProduct.Of(w, null, a, b, 1)!, PlainProduct.Of(new FrozenMatrix(w), null)!);
        ys[1].sum().backward();
        x.grad!.Difference(w.sum(dim: 0).expand(4, 16)).ShouldBeLessThan(1e-4);
        a.grad!.abs().max().item<float>().ShouldBe(0);
    }

    [Theory]
    [InlineData(true, true)]
    [InlineData(false, true)]
    [InlineData(true, false)]   // only the first product learns, so that no other gradient is computed
    public void Steps_that_read_a_value_several_times_have_the_gradients_of_the_formula(bool inputLearns, bool laterLearns)
    {
        using var scope = NewDisposeScope();
        manual_seed(4);
        var x = randn(2, 5, 16).requires_grad_(inputLearns);
        var (weight, w1, w2) = (randn(16).abs(), randn(16, 16), randn(16, 16));
        var (a1, b1, a2, b2) = (new Parameter(randn(2, 16)), new Parameter(randn(16, 2)), new Parameter(randn(2, 16), laterLearns), new Parameter(randn(16, 2), laterLearns));
        var slope = randn(2, 5, 16);

        var steps = new NodeSteps(x);
        var wide = steps.Add(new LinearStep(new NormalizedInput(weight, 1e-3, 0), [0], null, FactoredProduct.Of(w1, null, a1, b1, 1)!, PlainProduct.Of(new FrozenMatrix(w2), null)!));
        var middle = steps.Add(new LinearStep(new ActivatedInput("silu"), [wide, wide + 1], 0, FactoredProduct.Of(w2, null, a2, b2, 1)!));
        var norm = steps.Add(new NormStep(new NormalizedInput(weight, 1e-3, 0), middle));
        steps.Add(new LinearStep(new ActivatedInput("silu"), [norm, middle], middle, PlainProduct.Of(new FrozenMatrix(w1), null)!));
        var y = steps.Run()[0];
        using (SavedTensors.InOnePass()) y.backward([slope]);

        Tensor[] leaves = [x, a1, b1, a2, b2];
        var exact = leaves.Select(leaf => leaf.detach().to(float64).requires_grad_(leaf.requires_grad)).ToArray();
        Tensor Norm(Tensor from) => from * (from.square().mean([-1], keepdim: true) + 1e-3).rsqrt() * weight.to(float64);
        Tensor Times(Tensor from, Tensor w) => nn.functional.linear(from, w);
        var (u1, u2) = (w1.to(float64), w2.to(float64));
        var normal = Norm(exact[0]);
        var m = exact[0] + Times(nn.functional.silu(Times(normal, u1 + exact[2].mm(exact[1]))) * Times(normal, u2), u2 + exact[4].mm(exact[3]));
        var z = m + Times(nn.functional.silu(Norm(m)) * m, u1);
        z.backward([slope.to(float64)]);

        y.RelativeDifference(z).ShouldBeLessThan(3e-6);
        foreach (var (ours, theirs) in leaves.Zip(exact).Where(pair => pair.First.requires_grad)) ours.grad!.RelativeDifference(theirs.grad!).ShouldBeLessThan(1e-5);
    }

    [Fact]
    public void Without_gradients_values_are_the_same_and_are_freed_after_their_last_use()
    {
        using var scope = NewDisposeScope();
        manual_seed(5);
        const int Hidden = 128;
        var (x, weight, w1, w2) = (randn(2, 300, Hidden, requires_grad: true), randn(Hidden).abs(), randn(2 * Hidden, Hidden), randn(Hidden, 2 * Hidden));
        var (a, b) = (new Parameter(randn(4, 2 * Hidden)), new Parameter(randn(Hidden, 4)));
        Tensor Run()
        {
            using var inner = NewDisposeScope();
            var steps = new NodeSteps(x);
            var wide = steps.Add(new LinearStep(new NormalizedInput(weight, 1e-3, 0), [0], null, PlainProduct.Of(new FrozenMatrix(w1), null)!));
            var middle = steps.Add(new LinearStep(new ActivatedInput("gelu"), [wide], 0, LowRankProduct.Of(new FrozenMatrix(w2), null, a, b, 0.5)!));
            steps.Add(new NormStep(new NormalizedInput(weight, 1e-3, 0), middle));
            return steps.Run()[0].MoveToOuterDisposeScope();
        }

        var expected = Run();
        expected.requires_grad.ShouldBeTrue();
        using var none = no_grad();
        var actual = Run();
        actual.requires_grad.ShouldBeFalse();
        actual.Difference(expected).ShouldBe(0);
        var before = DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
        for (var i = 0; i < 3; i++) Run().Dispose();
        DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount.ShouldBe(before);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]   // two backward passes through one graph
    public void Recomputed_values_are_those_that_would_be_kept(bool twice)
    {
        using var scope = NewDisposeScope();
        manual_seed(9);
        const int Length = 300, Hidden = 128;
        var x = randn(2, Length, Hidden).requires_grad_();
        var (weight, short1, w1, w2, w3) = (randn(Hidden).abs(), randn(Hidden).abs(), randn(3 * Hidden, Hidden), randn(Hidden, Hidden), randn(Hidden, Hidden));
        var (bias, slope) = (randn(3 * Hidden), randn(2, Length, Hidden));
        var factors = new[] { randn(4, Hidden), randn(3 * Hidden, 4), randn(4, Hidden), randn(Hidden, 4), randn(4, Hidden), randn(Hidden, 4) }.Select(each => new Parameter(each.mul(0.1))).ToArray();
        var shape = new AttentionShape(4, 4, Hidden / 4, 0, 0.1f, null);

        List<float[]> InOnePass(bool again)
        {
            using var pass = SavedTensors.InOnePass();
            return Run(again);
        }

        List<float[]> Run(bool again)
        {
            using var inner = NewDisposeScope();
            NodeProduct Product(Tensor w, Tensor? b, int i) => LowRankProduct.Of(new FrozenMatrix(w), b, factors[i], factors[i + 1], 0.5).ShouldNotBeNull();
            var steps = new NodeSteps(x);
            var joined = steps.Add(new LinearStep(new NormalizedInput(weight, 1e-3, 0), [0], null, Product(w1, bias, 0)), again);
            var q = steps.Add(new SplitStep(joined, 4, 4, Hidden / 4, perHead: false), again);
            var normal = steps.Add(new NormStep(new NormalizedInput(short1, 1e-3, 0), q), again);
            var attended = steps.Add(new FusedAttention([normal, q + 1, q + 2], 2, Length, shape, null, null, null, null, null));
            var middle = steps.Add(new LinearStep(new PlainInput(), [attended], 0, Product(w2, null, 2)), again);
            var wide = steps.Add(new LinearStep(new NormalizedInput(weight, 1e-3, 0), [middle], null, PlainProduct.Of(new FrozenMatrix(w3), null)!));
            steps.Add(new LinearStep(new ActivatedInput("gelu_new"), [wide], middle, Product(w3, null, 4)));
            var y = steps.Run()[0];
            if (twice) y.backward([slope], retain_graph: true);
            if (twice) y.backward([slope]);
            else
                using (SavedTensors.InOnePass()) y.backward([slope]);
            Tensor[] learned = [x, .. factors];
            List<float[]> result = [y.data<float>().ToArray(), .. learned.Select(each => each.grad!.data<float>().ToArray())];
            foreach (var each in learned) each.grad = null;
            return result;
        }

        var (kept, recomputed) = (Run(false), Run(true));
        kept.Count.ShouldBe(recomputed.Count);
        foreach (var (one, other) in kept.Zip(recomputed)) other.ShouldBe(one);
        kept[1].ShouldContain(value => value != 0);
        if (twice) return;
        foreach (var again in new[] { false, true })
            foreach (var (one, other) in kept.Zip(InOnePass(again))) other.ShouldBe(one);
    }

    [Theory]
    [InlineData("plain", 1)]
    [InlineData("low rank", 1)]
    [InlineData("dropout of plain", 2)]   // neither the dropout nor what it drops is computed
    [InlineData("dropout of low rank", 2)]
    [InlineData("norm", 1)]   // which needs what it normalizes
    public void Steps_that_only_gradients_need_have_the_same_gradients_without_the_outputs(string last, int skipped)
    {
        using var scope = NewDisposeScope();
        const int Hidden = 320;   // above the size of factored products
        manual_seed(9);
        var x = randn(2, 9, Hidden).requires_grad_();
        var (weight, w1, w2, slope) = (randn(Hidden).abs(), randn(Hidden, Hidden), randn(Hidden, Hidden), randn(2, 9, Hidden));
        var factors = new[] { randn(4, Hidden), randn(Hidden, 4), randn(4, Hidden), randn(Hidden, 4) }.Select(each => new Parameter(each.mul(0.1))).ToArray();

        (Tensor Output, List<float[]> Gradients) Run(bool onlyGradients)
        {
            NodeProduct Product(Tensor w, int i, bool learns) => ((NodeProduct?)(learns ? LowRankProduct.Of(new FrozenMatrix(w), null, factors[i], factors[i + 1], 0.5, dropout: 0.25) : PlainProduct.Of(new FrozenMatrix(w), null))).ShouldNotBeNull();
            manual_seed(2);
            var steps = new NodeSteps(x) { OnlyGradients = onlyGradients };
            var middle = steps.Add(new LinearStep(new NormalizedInput(weight, 1e-3, 0), [0], 0, Product(w1, 0, learns: true)));
            var drops = last.StartsWith("dropout", StringComparison.Ordinal);
            var wide = steps.Add(new NormStep(new NormalizedInput(weight, 1e-3, 0), middle));
            var sum = steps.Add(new LinearStep(new ActivatedInput("gelu_new"), [wide], drops ? null : middle, Product(w2, 2, last.EndsWith("rank", StringComparison.Ordinal))));
            if (drops) steps.Add(new DropoutStep(0.5, sum, middle));
            if (last == "norm") steps.Add(new NormStep(new NormalizedInput(weight, 1e-3, 0), sum));
            steps.Needed().Count(each => !each).ShouldBe(onlyGradients ? skipped : 0);
            var y = steps.Run()[0];
            y.shape.ShouldBe(x.shape);
            using (SavedTensors.InOnePass()) y.backward([slope]);
            Tensor[] learned = [x, .. factors];
            List<float[]> gradients = [.. learned.Where(each => each.grad is not null).Select(each => each.grad!.data<float>().ToArray())];
            foreach (var each in learned) each.grad = null;
            return (y, gradients);
        }

        var (whole, only) = (Run(onlyGradients: false), Run(onlyGradients: true));
        whole.Output.isfinite().all().item<bool>().ShouldBeTrue();
        only.Output.isnan().all().item<bool>().ShouldBeTrue();
        only.Gradients.Count.ShouldBe(last.EndsWith("rank", StringComparison.Ordinal) ? 5 : 3);
        only.Gradients.Count.ShouldBe(whole.Gradients.Count);
        foreach (var (one, other) in only.Gradients.Zip(whole.Gradients)) one.ShouldBe(other);
    }

    [Fact]
    public void A_pass_that_runs_once_frees_what_its_nodes_hold_even_if_no_backward_pass_runs()
    {
        using var scope = NewDisposeScope();
        var (x, residual, weight, w) = (randn(2, 5, 16).requires_grad_(), randn(2, 5, 16), randn(16), randn(16, 16));
        var (a, b) = (new Parameter(randn(2, 16)), new Parameter(randn(16, 2)));
        Tensor Forward()
        {
            using var inner = NewDisposeScope();
            var steps = new NodeSteps(x, residual);
            var middle = steps.Add(new LinearStep(new NormalizedInput(weight, 1e-3, 0), [0], 1, FactoredProduct.Of(w, null, a, b, 1)!));
            steps.Add(new LinearStep(new ActivatedInput("silu"), [middle], middle, FactoredProduct.Of(w, null, a, b, 1)!));
            return steps.Run()[0].MoveToOuterDisposeScope();
        }

        var before = Live();
        using (SavedTensors.InOnePass())
        {
            using var y = Forward();
            Live().ShouldBe(before + 2);   // y, and the middle state
        }
        Live().ShouldBe(before);
        using (SavedTensors.InOnePass())
        {
            using var y = Forward();
            y.sum().backward();
        }
        x.grad!.isfinite().all().item<bool>().ShouldBeTrue();

        static long Live() => DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
    }

    [Fact]
    public void An_input_that_changes_between_the_passes_is_noticed_also_in_a_pass_that_runs_once()
    {
        using var scope = NewDisposeScope();
        var (x, w, a, b) = (randn(2, 5, 16), randn(16, 16), new Parameter(randn(2, 16)), new Parameter(randn(16, 2)));
        using var pass = SavedTensors.InOnePass();
        var y = LinearStep.Run(new PlainInput(), [x], null, FactoredProduct.Of(w, null, a, b, 1)!)[0];
        using (no_grad()) x.add_(1);
        Should.Throw<TrainingException>(() => BackwardFailure.Run(() => y.sum().backward())).Message.ShouldContain("changed in place after the forward pass");
    }

    // A tensor with NaN does not equal itself.
    [Fact]
    public void Gradients_that_are_not_numbers_pass_through()
    {
        using var scope = NewDisposeScope();
        var (x, w) = (randn(2, 5, 16).requires_grad_(), randn(16, 16));
        var steps = new NodeSteps(x);
        var middle = steps.Add(new LinearStep(new PlainInput(), [0], 0, PlainProduct.Of(new FrozenMatrix(w), null)!));
        steps.Add(new LinearStep(new PlainInput(), [middle], middle, PlainProduct.Of(new FrozenMatrix(w), null)!));
        steps.Run()[0].backward([full([2, 5, 16], float.NaN)]);
        x.grad!.isnan().all().item<bool>().ShouldBeTrue();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_joined_projection_is_divided_and_its_gradient_joined(bool perHead)
    {
        using var scope = NewDisposeScope();
        manual_seed(5);
        var (heads, keyValueHeads, size) = (3, perHead ? 3 : 1, 8);
        var x = randn(2, 4, (heads + 2 * keyValueHeads) * size).requires_grad_();
        var steps = new NodeSteps(x);
        steps.Add(new SplitStep(0, heads, keyValueHeads, size, perHead));
        var parts = steps.Run();
        var expected = perHead
            ? Enumerable.Range(0, 3).Select(i => x.view(2, 4, heads, 3, size).select(3, i).reshape(2, 4, -1)).ToArray()
            : x.split([heads * size, size, size], -1);
        foreach (var (ours, theirs) in parts.Zip(expected)) ours.Difference(theirs).ShouldBe(0);
        var slopes = parts.Select(part => randn(part.shape)).ToArray();
        autograd.backward([.. parts], slopes);
        var ofParts = x.grad!.clone();
        x.grad = null;
        autograd.backward([.. expected], slopes);
        ofParts.Difference(x.grad!).ShouldBe(0);
    }

    [Fact]
    public void What_a_node_saved_is_freed_in_a_backward_pass_that_runs_once_and_only_there()
    {
        using var scope = NewDisposeScope();
        var x = randn(3).requires_grad_();
        var y = Squaring.Of(x);
        y.sum().backward(retain_graph: true);
        Squaring.Context!.get_saved_variables().Count.ShouldBe(1);
        using (SavedTensors.InOnePass()) y.sum().backward();
        x.grad!.Difference(x * 4).ShouldBeLessThan(1e-6);
        Squaring.Context!.get_saved_variables().ShouldBeEmpty();
    }

    [Fact]
    public void Gradients_do_not_stay_in_memory_until_the_end_of_the_step()
    {
        using var scope = NewDisposeScope();
        var x = randn(3).requires_grad_();
        var y = Squaring.Of(Squaring.Of(Squaring.Of(x))).sum();
        var before = scope.DisposablesCount;
        y.backward();
        scope.DisposablesCount.ShouldBe(before);
    }

    [Fact]
    public void A_matrix_that_changed_since_the_forward_pass_is_noticed_in_the_backward_pass()
    {
        using var scope = NewDisposeScope();
        var x = randn(3).requires_grad_();
        var y = Squaring.Of(x);
        using (no_grad()) x.add_(1);
        Should.Throw<System.Runtime.InteropServices.ExternalException>(() => Squaring.Context!.get_saved_variables()).Message.ShouldContain("modified by an inplace operation");
        y.Dispose();
    }

    // x², whose saved tensors can be asked for.
    private sealed class Squaring : GraphNode<Squaring>
    {
        public static autograd.AutogradContext? Context { get; private set; }

        public static Tensor Of(Tensor x) => Record(x)[0];

        protected override Tensor[] Forward(autograd.AutogradContext context, object[] arguments)
        {
            Context = context;
            context.save_for_backward([(Tensor)arguments[0]]);
            return [((Tensor)arguments[0]).square()];
        }

        protected override Tensor?[] Backward(autograd.AutogradContext context, Tensor[] gradients)
        {
            return [gradients[0] * context.get_saved_variables()[0] * 2];
        }
    }
}
