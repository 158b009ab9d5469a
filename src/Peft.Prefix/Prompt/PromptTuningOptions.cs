namespace Peft;

/// <summary>Initialization of prompt tuning's virtual tokens.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<PromptInitialization>))]
[TypeConverter(typeof(EnumNames<PromptInitialization>))]
public enum PromptInitialization
{
    /// <summary>Normally distributed values, far from the model's own embeddings.</summary>
    [JsonStringEnumMemberName("RANDOM")] Random,

    /// <summary>Embeddings of tokens sampled from the vocabulary.</summary>
    [JsonStringEnumMemberName("SAMPLE_VOCAB")] SampleVocabulary,

    /// <summary>Embeddings of a text, repeated or truncated to the number of virtual tokens.</summary>
    [JsonStringEnumMemberName("TEXT")] Text,
}

/// <summary>Prompt tuning (Lester et al. 2021, arXiv:2104.08691): learned embeddings before the input, and nothing else.</summary>
[MethodDescription("Prompt tuning", "x ← [P; x]", "Lester et al. 2021, arXiv:2104.08691")]
[LearningRate(1e-3, SmallModel = 3e-1)]
public sealed record PromptTuningOptions() : TextInitializationOptions("PROMPT_TUNING")
{
    /// <summary>Initialization of the virtual tokens.</summary>
    [JsonPropertyName("prompt_tuning_init")] public PromptInitialization Initialization { get; init; }

    private protected override bool StartsAsText => Initialization == PromptInitialization.Text;

    /// <inheritdoc/>
    protected override PromptLayer Create(ModelTree model) => new PromptTuningLayer(model, this);
}
