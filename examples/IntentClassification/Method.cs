using Peft;

namespace IntentClassification;

/// <summary>A method of fine-tuning the encoder, with suitable learning rates.</summary>
/// <param name="Name">Name in the table.</param>
/// <param name="Options">Options of the method.</param>
/// <param name="LearningRate">Learning rate of the parameters that the method trains inside the encoder.</param>
internal sealed record Method(string Name, AdapterOptions Options, double LearningRate)
{
    /// <summary>Learning rate of the new head. The head starts from random weights, so it tolerates a higher rate than parameters inside the trained encoder.</summary>
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
