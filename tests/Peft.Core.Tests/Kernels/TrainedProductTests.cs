using Peft.Kernels;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Peft.Core.Tests.Kernels;

/// <summary>Products, normalizations and tables whose own values are trained.</summary>
public class TrainedProductTests
{
    [Theory]
    [InlineData(1, 8, 8, false, true, true)]
    [InlineData(7, 20, 9, false, true, true)]       // small matrices
    [InlineData(48, 64, 172, false, true, false)]
    [InlineData(101, 172, 64, false, true, true)]
    [InlineData(48, 3, 172, false, true, true)]     // too narrow for vectors
    [InlineData(33, 264, 330, false, true, true)]   // large ones
    [InlineData(33, 264, 330, true, true, true)]
    [InlineData(101, 776, 392, true, true, false)]
    [InlineData(5, 264, 330, false, true, true)]    // fewer rows than a tile has
    [InlineData(48, 64, 172, true, true, true)]
    [InlineData(33, 264, 330, false, false, true)]  // only the bias
    [InlineData(33, 64, 72, true, false, true)]
    public void Output_and_gradients_are_those_of_the_formula(int rows, int inputs, int outputs, bool transposed, bool trainsWeight, bool trainsBias)
    {
        using var scope = NewDisposeScope();
        manual_seed(rows);
        var x = randn(3, rows, inputs).requires_grad_();
        var (w, bias) = (new Parameter(transposed ? randn(inputs, outputs) : randn(outputs, inputs), trainsWeight), new Parameter(randn(outputs), trainsBias));
        var (residual, slope) = (randn(3, rows, outputs).requires_grad_(), randn(3, rows, outputs));
        var product = TrainedProduct.Of(w, transposed, bias).ShouldNotBeNull();
        var y = LinearStep.Run(new PlainInput(), [x], residual, product, TrainedProduct.Of(w, transposed, null)!);   // W is used twice
        autograd.backward([.. y], [slope, slope * 2]);

        Tensor[] leaves = [x, w, bias, residual];
        var exact = leaves.Select(leaf => leaf.detach().to(float64).requires_grad_()).ToArray();
        var matrix = transposed ? exact[1].t() : exact[1];
        Tensor[] expected = [nn.functional.linear(exact[0], matrix, exact[2]) + exact[3], nn.functional.linear(exact[0], matrix)];
        autograd.backward(expected, [slope.to(float64), slope.to(float64) * 2]);
        foreach (var (ours, theirs) in y.Zip(expected)) ours.RelativeDifference(theirs).ShouldBeLessThan(2e-6);
        x.grad!.RelativeDifference(exact[0].grad!).ShouldBeLessThan(2e-6);
        residual.grad!.RelativeDifference(exact[3].grad!).ShouldBeLessThan(1e-6);
        if (trainsWeight) w.grad!.RelativeDifference(exact[1].grad!).ShouldBeLessThan(2e-6);
        else w.grad.ShouldBeNull();
        if (trainsBias) bias.grad!.RelativeDifference(exact[2].grad!).ShouldBeLessThan(2e-6);
        else bias.grad.ShouldBeNull();
    }

    [Theory]
    [InlineData("rms", true, false)]
    [InlineData("layer", true, true)]
    [InlineData("layer", true, false)]
    [InlineData("layer", false, true)]
    public void The_weights_of_a_normalization_have_the_gradients_of_the_formula(string kind, bool trainsWeight, bool trainsBias)
    {
        using var scope = NewDisposeScope();
        manual_seed(2);
        const int Size = 40;
        var x = randn(3, 101, Size).requires_grad_();
        var (weight, bias, w) = (new Parameter(randn(Size), trainsWeight), new Parameter(randn(Size), trainsBias), new Parameter(randn(48, Size)));
        NodeInput Norm() => kind == "rms" ? new NormalizedInput(weight, 1e-3, 1) : new CenteredInput(weight, bias, 1e-3);
        var steps = new NodeSteps(x);
        steps.Add(new NormStep(Norm(), 0));
        steps.Add(new LinearStep(Norm(), [1], null, TrainedProduct.Of(w, false, null)!), isRecomputed: true);   // the weights are used twice
        steps.Add(new NormStep(new NormalizedInput(new Parameter(ones(48), requires_grad: false), 1e-3, 0), 2));
        var y = steps.Run()[0];
        var slope = randn(3, 101, 48);
        autograd.backward([y], [slope]);

        var exact = new Tensor[] { x, weight, bias, w }.Select(leaf => leaf.detach().to(float64).requires_grad_()).ToArray();
        Tensor Exact(Tensor value) => kind == "rms" ? value * (value.square().mean([-1], keepdim: true) + 1e-3).rsqrt() * (exact[1] + 1) : nn.functional.layer_norm(value, [Size], exact[1], exact[2], 1e-3);
        var z = nn.functional.linear(Exact(Exact(exact[0])), exact[3]);
        autograd.backward([z * (z.square().mean([-1], keepdim: true) + 1e-3).rsqrt()], [slope.to(float64)]);
        x.grad!.RelativeDifference(exact[0].grad!).ShouldBeLessThan(5e-6);
        w.grad!.RelativeDifference(exact[3].grad!).ShouldBeLessThan(5e-6);
        if (trainsWeight) weight.grad!.RelativeDifference(exact[1].grad!).ShouldBeLessThan(5e-6);
        else weight.grad.ShouldBeNull();
        if (trainsBias) bias.grad!.RelativeDifference(exact[2].grad!).ShouldBeLessThan(5e-6);
        else bias.grad.ShouldBeNull();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Gradients_that_kernels_add_directly_are_those_that_torch_adds(bool isFirst)
    {
        using var scope = NewDisposeScope();
        manual_seed(6);
        var ids = tensor(new long[] { 3, 0, 3, 5, 3 });
        var (table, w, bias, norm) = (new Parameter(randn(6, 40)), new Parameter(randn(24, 40)), new Parameter(randn(24)), new Parameter(randn(40)));
        Parameter[] all = [table, w, bias, norm];
        using var parameters = new FlatParameters(all.Select((each, i) => new TrainableTensor($"p{i}", each)));
        using var gradients = new PartGradients(parameters, isFirst);
        Tensor Loss(Func<Tensor> compute) => compute().square().sum() + all.Select(each => each.square().sum()).Aggregate((a, b) => a + b);   // all have a gradient from elsewhere too
        for (var pass = 0; pass < 2; pass++)   // the first one fails before its gradients are given
        {
            if (isFirst) parameters.ZeroGradients();
            gradients.Begin();
            using var given = DirectGradients.To(gradients);
            var returned = autograd.grad([Loss(() => LinearStep.Run(new NormalizedInput(norm, 1e-3, 0), [Peft.Modules.Embedding.Lookup(ids, table)], null, TrainedProduct.Of(w, false, bias)!)[0])], all);
            gradients.Add(returned);
        }
        gradients.Reached.ShouldAllBe(reached => reached);
        gradients.Give();
        var exact = autograd.grad([Loss(() =>
        {
            var x = table.index_select(0, ids);
            return nn.functional.linear(x * (x.square().mean([-1], keepdim: true) + 1e-3).rsqrt() * norm, w, bias);
        })], all);
        foreach (var (ours, theirs) in all.Zip(exact)) ours.grad!.RelativeDifference(theirs).ShouldBeLessThan(1e-5);
    }

    [Fact]
    public void A_table_has_the_gradients_of_all_its_occurrences()
    {
        using var scope = NewDisposeScope();
        var table = randn(7, 50).requires_grad_();
        var ids = tensor(new long[] { 6, 2, 6, 0, 6, 2 }, [2L, 3L]);
        var slope = randn(2, 3, 50);
        var rows = Peft.Modules.Embedding.Lookup(ids, table);
        rows.shape.ShouldBe([2, 3, 50]);
        autograd.backward([rows], [slope]);
        var exact = table.detach().clone().requires_grad_();
        autograd.backward([exact.index_select(0, ids.reshape(-1)).view(2, 3, 50)], [slope]);
        table.grad!.Difference(exact.grad!).ShouldBeLessThan(1e-6);
        Peft.Modules.Embedding.Lookup(ids, table.detach()).requires_grad.ShouldBeFalse();
        Should.Throw<System.Runtime.InteropServices.ExternalException>(() => Peft.Modules.Embedding.Lookup(tensor(new long[] { 7 }), table));
    }

    // Blocks of transposed gradients: more than one, and a last one that is not whole.
    [Theory]
    [InlineData(70_000, 40, 16)]
    [InlineData(70_003, 64, 9)]
    [InlineData(9, 1000, 640)]
    public void The_gradient_of_a_large_matrix_is_that_of_the_formula(int outputs, int rows, int inputs)
    {
        using var scope = NewDisposeScope();
        manual_seed(outputs);
        var (g, x, before) = (randn(rows, outputs), randn(rows, inputs), randn(outputs, inputs));
        var exact = g.t().to(float64).mm(x.to(float64));
        var (result, sum) = (full(outputs, inputs, float.NaN), before.clone());
        MatrixProduct.OfRows(g, x, TensorAddress.Of(result), add: false);
        MatrixProduct.OfRows(g, x, TensorAddress.Of(sum), add: true);
        result.RelativeDifference(exact).ShouldBeLessThan(2e-6);
        sum.RelativeDifference(exact + before).ShouldBeLessThan(2e-6);
    }
}
