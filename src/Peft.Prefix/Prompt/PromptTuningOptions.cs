namespace Peft;

/// <summary>Prompt tuning (Lester et al. 2021, arXiv:2104.08691): learned embeddings before the input, and nothing else.</summary>
[MethodDescription("Prompt tuning", "x ← [P; x]", "Lester et al. 2021, arXiv:2104.08691")]
[LearningRate(1e-3, SmallModel = 3e-1)]
public sealed record PromptTuningOptions() : TextInitializationOptions("PROMPT_TUNING")
{
    /// <summary>Initialization of the virtual tokens.</summary>
    [JsonPropertyName("prompt_tuning_init")] public PromptInitialization Initialization { get; init; }

    private protected override bool StartsAsText => Initialization == PromptInitialization.Text;

    protected override PromptLayer Create(ModelTree model) => new PromptTuningLayer(model, this);
}
