using System.Text.Json.Serialization;
using Peft;
using Peft.Core.Tests.Options;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

[assembly: AdapterMethod("OUTPUT_SCALE", typeof(OutputScaleOptions))]

namespace Peft.Core.Tests.Options;

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
        using var folder = new TemporaryFolder();
        var (model, copy) = (nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2)), nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2)));
        copy.load_state_dict(model.state_dict());
        var (x, y) = (randn(16, 4), randn(16, 2));
        var before = model.call(x);
        using var peft = model.ApplyAdapter(new OutputScaleOptions());
        model.call(x).Difference(before).ShouldBe(0);
        new Trainer(peft, TrainingDataset.From(x, y), new() { LearningRate = 0.1, Epochs = 3 }) { Loss = batch => nn.functional.mse_loss(model.call(batch.InputIds), batch.Labels!) }.Train();
        var trained = model.call(x);
        trained.Difference(before).ShouldBeGreaterThan(1e-3);
        peft.SaveAdapter(folder);

        AdapterMethods.Known["OUTPUT_SCALE"].ShouldBe(typeof(OutputScaleOptions));
        using var loaded = copy.ApplyAdapter(folder);   // which names the method alone
        copy.call(x).Difference(trained).ShouldBe(0);
        loaded.Merge();
        copy.call(x).Difference(trained).ShouldBeLessThan(1e-6);
    }
}
