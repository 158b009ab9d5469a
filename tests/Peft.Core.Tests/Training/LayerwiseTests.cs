using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Peft.Core.Tests.Training;

/// <summary>Training of a few layers at a time (LISA, BAdam): the others have no gradients.</summary>
public sealed class LayerwiseTests : IDisposable
{
    private const int Layers = 4, Width = 64;

    private readonly DisposeScope scope = NewDisposeScope();
    private readonly TemporaryFolder folder = new();
    private readonly Tensor inputs, labels;

    public LayerwiseTests()
    {
        manual_seed(2);
        (inputs, labels) = (randn(24, Width), randn(24, Width));
    }

    public void Dispose()
    {
        folder.Dispose();
        scope.Dispose();
    }

    private sealed class Deep : nn.Module<Tensor, Tensor>, ILossModel
    {
        private readonly ModuleList<nn.Module<Tensor, Tensor>> layers = nn.ModuleList([.. Enumerable.Range(0, Layers).Select(_ => (nn.Module<Tensor, Tensor>)nn.Linear(Width, Width))]);
        private readonly LayerNorm norm = nn.LayerNorm(Width);

        public Deep() : base("deep") => RegisterComponents();

        public override Tensor forward(Tensor x)
        {
            foreach (var layer in layers) x = x + layer.call(x).tanh();
            return norm.call(x);
        }

        public Tensor Loss(Batch batch) => nn.functional.mse_loss(call(batch.InputIds), batch.Labels!);

        public IReadOnlyList<Batch> Divide(Batch batch, int parts)
        {
            var half = (int)batch.InputIds.shape[0] / 2;
            return parts < 2 ? [batch] : [.. new[] { 0, half }.Select(start => new Batch { InputIds = batch.InputIds.narrow(0, start, half), Labels = batch.Labels!.narrow(0, start, half), Weight = half })];
        }
    }

    private static ModuleTrainable Model()
    {
        manual_seed(5);
        return new(new Deep());
    }

    private static LayerwiseOptions Turns(LayerOrder order) => new() { Order = order, Layers = 1, Interval = 2 };

    [Theory]
    [InlineData(LayerOrder.Random)]
    [InlineData(LayerOrder.Cyclic)]
    public void Only_the_layers_of_the_turn_have_gradients_and_the_result_has_the_same_bits(LayerOrder order)
    {
        List<Tensor> Values(bool narrow)
        {
            var model = Model();
            using var flat = new FlatParameters(model.Trainables);
            using var optimizer = Turns(order).Create(flat, 0.01);
            var (whole, batch) = (flat.GradientBytes, new Batch { InputIds = inputs, Labels = labels });
            whole.ShouldBeGreaterThanOrEqualTo(Layers * Width * Width * 4);
            for (var step = 0; step < 14; step++)
            {
                using var each = NewDisposeScope();
                if (narrow) optimizer.BeginStep();
                flat.ZeroGradients();
                ((Deep)model.Module).Loss(batch).backward();
                flat.BindGradients();
                var held = model.Trainables.Where(tensor => tensor.Value.grad is not null).ToList();
                held.Select(tensor => tensor.Name).ShouldBe(flat.Trained.Select(tensor => tensor.Name));
                held.ShouldAllBe(tensor => tensor.Value.grad!.count_nonzero().item<long>() > 0);
                model.Trainables.Where(tensor => tensor.Value.requires_grad).ShouldBe(held);
                if (narrow)
                {
                    // One layer of four, and outside of layers a norm. Its memory is that of the layer, up to rounding to whole blocks.
                    held.Count.ShouldBe(order == LayerOrder.Random ? 4 : 2);
                    flat.GradientBytes.ShouldBeLessThan(whole * 3 / 10);
                    flat.GradientNorm().item<float>().ShouldBe(held.Select(tensor => tensor.Value.grad!.square().sum()).Aggregate((a, b) => a + b).sqrt().item<float>(), 1e-4f);
                }
                else flat.GradientBytes.ShouldBe(whole);
                optimizer.Step();
            }
            flat.Release();
            model.Trainables.ShouldAllBe(tensor => tensor.Value.requires_grad);
            return [.. model.Trainables.Select(tensor => tensor.Value.detach().clone())];
        }
        foreach (var (narrow, full) in Values(narrow: true).Zip(Values(narrow: false))) narrow.Difference(full).ShouldBe(0);
    }

    [Theory]
    [InlineData(LayerOrder.Random, 1)]
    [InlineData(LayerOrder.Random, 2)]
    [InlineData(LayerOrder.Cyclic, 2)]
    public void A_run_resumed_within_a_turn_ends_with_the_same_bits(LayerOrder order, int parts)
    {
        var rows = TrainingDataset.From(24, chosen =>
        {
            using var index = tensor(chosen.Select(row => (long)row).ToArray());
            return new() { InputIds = inputs.index_select(0, index), Labels = labels.index_select(0, index), Weight = chosen.Count };
        });
        List<int> gradients = [];
        float[] Run(string? output, string? resume)
        {
            var model = Model();
            new Trainer(model, rows, new TrainingOptions
            {
                MaxSteps = 11, BatchSize = 8, LearningRate = 0.01, ParallelParts = parts, GradientAccumulation = 2, OutputFolder = output, SaveEverySteps = output is null ? null : 1, KeepCheckpoints = null, ResumeFrom = resume, Optimizer = Turns(order),
            })
            {
                GradientTransform = trained =>
                {
                    gradients.Add(trained.Count);
                    trained.ShouldAllBe(tensor => tensor.Value.grad!.count_nonzero().item<long>() > 0);
                },
            }.Train();
            model.Trainables.ShouldAllBe(tensor => tensor.Value.requires_grad);
            return model.Numbers();
        }
        var whole = Run(folder["out"], null);
        gradients.ShouldAllBe(count => count == (order == LayerOrder.Random ? 4 : 2));
        foreach (var step in new[] { 3, 4, 7 }) Run(null, Path.Combine(folder["out"], $"checkpoint-{step}")).ShouldBe(whole);
    }
}
