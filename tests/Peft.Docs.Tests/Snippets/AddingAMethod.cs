// snippet: method-usings
using System.Text.Json.Serialization;
using Peft;
using TorchSharp.Modules;
using static Peft.Scalars;
using static TorchSharp.torch;
// end
using Peft.Docs.Tests.Snippets;

// snippet: method-register
[assembly: AdapterMethod("RANK_ONE", typeof(RankOneOptions))]
// end

namespace Peft.Docs.Tests.Snippets;

// snippet: method-options
[MethodDescription("Rank one", "W + α·b·aᵀ", "an example")]
[LearningRate(1e-3)]
[SupportedModules(ModuleKinds.Linear | ModuleKinds.Embedding)]
public sealed record RankOneOptions() : TargetedOptions("RANK_ONE")
{
    [JsonPropertyName("alpha"), Above(0)] public double Alpha { get; init; } = 1;

    protected override AdapterLayer CreateLayer(Target target) => new RankOneLayer(target, Alpha);
}
// end

// snippet: method-layer
internal sealed class RankOneLayer : DeltaLayer
{
    private readonly Parameter a, b;
    private readonly double alpha;

    public RankOneLayer(Target target, double alpha) : base(target)
    {
        this.alpha = alpha;
        a = Trainable("rank_one_a", Normal(1 / Math.Sqrt(target.In), target.In));
        b = Trainable("rank_one_b", Zeros(target.Out));   // b = 0: initialized as a no-op
    }

    public override Tensor Delta() => b.unsqueeze(1).mul(a).mul(Constant(alpha));   // [out, in]
}
// end

public class AddingAMethod : InFolder
{
    [Fact]
    public void A_method_of_the_page_trains_saves_loads_and_merges()
    {
        using var scope = NewDisposeScope();
        var (x, y) = (randn(16, 4), randn(16, 2));

        // snippet: method-use
        var model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2));
        using var peft = model.ApplyAdapter(new RankOneOptions { TargetModules = ["0", "2"] });

        var trainer = new Trainer(peft, TrainingDataset.From(x, y), new() { Epochs = 20 })
        {
            Loss = batch => nn.functional.mse_loss(model.call(batch.InputIds), batch.Labels!),
        };
        trainer.Train();
        peft.SaveAdapter("adapter");   // LoadAdapter and ApplyAdapter(folder) find the method by its registration
        peft.Merge();
        // end

        var merged = model.call(x);
        peft.Unmerge();
        var trained = model.call(x);
        merged.allclose(trained, atol: 1e-6).ShouldBeTrue();
        peft.Unload();
        model.call(x).allclose(trained, atol: 1e-3).ShouldBeFalse();
        using var loaded = model.ApplyAdapter("adapter");
        model.call(x).equal(trained).all().item<bool>().ShouldBeTrue();
        loaded.Unload();
        model.ApplyAdapter(new RankOneOptions { TargetModules = ["0"] });
        Should.Throw<AdapterOptionsException>(() => new RankOneOptions { Alpha = 0 }.Validate()).Message.ShouldContain("Alpha");
    }
}
