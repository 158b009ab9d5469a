using Peft;

namespace IntentClassification;

/// <summary>A way to teach the encoder, and the learning rates that suit it.</summary>
/// <param name="Name">Its name in the table.</param>
/// <param name="Options">Its options.</param>
/// <param name="LearningRate">Learning rate of what the method trains inside of the encoder.</param>
internal sealed record Method(string Name, AdapterOptions Options, double LearningRate)
{
    /// <summary>The new head starts from random weights and may learn faster than what enters a trained encoder.</summary>
    public double HeadLearningRate { get; init; } = 1e-2;

    public static Method Lora { get; } = new("LoRA r8", new LoraOptions { Rank = 8, Alpha = 16, TargetModules = ModuleSelector.AllLinear }, 2e-3);

    public static IReadOnlyList<Method> All { get; } =
    [
        Lora,
        new("LoRA r8, upper half", new LoraOptions { Rank = 8, Alpha = 16, TargetModules = new[] { "query", "key", "value", "dense" }, LayersToTransform = [3, 4, 5] }, 2e-3),
        new("full fine-tuning", new FullOptions(), 2e-4),
        new("bottleneck ÷ 16", new BottleneckOptions(), 2e-3),
        new("BitFit", new BitFitOptions(), 5e-3),
        new("(IA)³", new Ia3Options(), 1e-2),
        new("prefix, 10 tokens", new PrefixTuningOptions { VirtualTokens = 10 }, 1e-2),
        new("linear probe", new PartialOptions { TargetModules = ["classifier"] }, 1e-2),
    ];
}
