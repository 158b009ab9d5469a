using Peft;

namespace PretrainAndFineTune;

/// <summary>A way of fine-tuning, with its learning rate.</summary>
/// <param name="Name">Name in the table.</param>
/// <param name="Options">What is trained besides the new head.</param>
/// <param name="LearningRate">The learning rate.</param>
/// <param name="FromScratch">True to begin with random weights instead of the pretrained ones.</param>
internal sealed record Method(string Name, AdapterOptions Options, double LearningRate, bool FromScratch = false)
{
    public static IReadOnlyList<Method> All { get; } =
    [
        new("from scratch", new FullOptions(), 2e-3, FromScratch: true),
        new("full fine-tuning", new FullOptions(), 1e-3),
        new("LoRA r8", new LoraOptions { Rank = 8, Alpha = 16, TargetModules = ModuleSelector.AllLinear }, 3e-3),
        new("bottleneck ÷ 4", new BottleneckOptions { ReductionFactor = 4 }, 6e-3),
        new("prefix, 10 tokens", new PrefixTuningOptions { VirtualTokens = 10 }, 5e-2),
    ];
}
