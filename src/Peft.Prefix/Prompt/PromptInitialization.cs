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
