namespace Peft;

/// <summary>Network that computes P-tuning's virtual tokens.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<PromptEncoder>))]
[TypeConverter(typeof(EnumNames<PromptEncoder>))]
public enum PromptEncoder
{
    /// <summary>Three linear layers applied to each token separately.</summary>
    [JsonStringEnumMemberName("MLP")] Mlp,

    /// <summary>A bidirectional LSTM over the tokens, followed by two linear layers.</summary>
    [JsonStringEnumMemberName("LSTM")] Lstm,
}
