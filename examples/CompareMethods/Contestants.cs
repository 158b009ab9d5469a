using Peft;

namespace CompareMethods;

/// <summary>A fine-tuning method in the comparison.</summary>
/// <param name="Name">Name in the table.</param>
/// <param name="Options">Options, which include the learning rate.</param>
internal sealed record Contestant(string Name, AdapterOptions Options)
{
    private const int Tokens = 20;

    // Methods that adapt modules adapt every linear module, so that they differ only in the method and not in the targets.
    private static readonly ModuleSelector Everywhere = ModuleSelector.AllLinear;

    public static IReadOnlyList<Contestant> All { get; } =
    [
        new("full fine-tuning", new FullOptions()),
        new("LoRA r8", new LoraOptions { Rank = 8, Alpha = 16, TargetModules = Everywhere }),
        new("DoRA r8", new LoraOptions { Rank = 8, Alpha = 16, UseDora = true, TargetModules = Everywhere }),
        new("AdaLoRA r12→8", new AdaLoraOptions { Alpha = 16, TargetModules = Everywhere, WarmupSteps = 30, FinalSteps = 100, Interval = 10, TotalSteps = 300 }),
        new("bottleneck ÷ 4", new BottleneckOptions { ReductionFactor = 4 }),
        new("OFT 4×4", new OftOptions { BlockSize = 4, TargetModules = Everywhere }),
        new("(IA)³", new Ia3Options()),
        new("biases (BEFT)", new BeftOptions { TargetModules = Everywhere }),
        new("norms", new LayerNormTuningOptions()),
        new("prefix, zero", new PrefixTuningOptions { VirtualTokens = Tokens, InitWeights = "zero" }),
        new("prompt, sampled", new PromptTuningOptions { VirtualTokens = Tokens, Initialization = PromptInitialization.SampleVocabulary }),
        new("P-tuning, MLP", new PTuningOptions { VirtualTokens = Tokens }),
        new("adaption prompt", new AdaptionPromptOptions { Length = 10, Layers = 5 }),
    ];
}
