using System.Text.Json.Serialization;
using Peft;
using Peft.Core.Tests;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

[assembly: AdapterMethod("OUTPUT_SCALE", typeof(OutputScaleOptions))]

namespace Peft.Core.Tests;

/// <summary>A method that this assembly brings: y = s∘f(x).</summary>
public sealed record OutputScaleOptions() : TargetedOptions("OUTPUT_SCALE")
{
    [JsonPropertyName("initial")] public double Initial { get; init; } = 1;

    protected override AdapterLayer CreateLayer(Target target) => new OutputScaleLayer(target, Initial);
}

public sealed class OutputScaleLayer : TransformLayer
{
    private readonly Parameter scale;

    public OutputScaleLayer(Target target, double initial) : base(target) => scale = Trainable("output_scale", Ones(target.Out).mul(Scalars.Constant(initial)));

    protected override Tensor TransformOutput(Tensor input, Tensor output) => output.mul(Target.AlongOutput(scale));

    protected internal override Weights? Merge(Weights inner) => new(inner.Weight.mul(scale.unsqueeze(1)), inner.Bias?.mul(scale));
}

public class OwnMethodTests
{
    [Fact]
    public void A_method_of_another_assembly_trains_saves_loads_and_merges_without_a_change_in_Core()
    {
        using var scope = NewDisposeScope();
        var folder = Directory.CreateTempSubdirectory("peft-own-").FullName;
        try
        {
            var (model, copy) = (nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2)), nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2)));
            copy.load_state_dict(model.state_dict());
            var (x, y) = (randn(16, 4), randn(16, 2));
            var before = model.call(x);
            using var peft = model.ApplyAdapter(new OutputScaleOptions());
            Difference(model.call(x), before).ShouldBe(0);
            new Trainer(peft, TrainingDataset.From(x, y), new() { LearningRate = 0.1, Epochs = 3 }) { Loss = batch => nn.functional.mse_loss(model.call(batch.InputIds), batch.Labels!) }.Train();
            var trained = model.call(x);
            Difference(trained, before).ShouldBeGreaterThan(1e-3);
            peft.SaveAdapter(folder);

            AdapterMethods.Known["OUTPUT_SCALE"].ShouldBe(typeof(OutputScaleOptions));
            using var loaded = copy.ApplyAdapter(folder);   // which names the method alone
            Difference(copy.call(x), trained).ShouldBe(0);
            loaded.Merge();
            Difference(copy.call(x), trained).ShouldBeLessThan(1e-6);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static double Difference(Tensor a, Tensor b) => (a - b).abs().max().item<float>();
}
