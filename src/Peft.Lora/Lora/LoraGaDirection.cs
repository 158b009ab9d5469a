namespace Peft;

/// <summary>Which singular vectors of the gradient LoRA-GA takes for A and B, of the 2·rank leading ones.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<LoraGaDirection>))]
[TypeConverter(typeof(EnumNames<LoraGaDirection>))]
public enum LoraGaDirection
{
    /// <summary>A the first, B those that follow.</summary>
    [JsonStringEnumMemberName("ArB2r")] FirstA,

    /// <summary>B the first, A those that follow.</summary>
    [JsonStringEnumMemberName("A2rBr")] FirstB,

    /// <summary>Alternately, B beginning.</summary>
    [JsonStringEnumMemberName("ArBr")] Alternating,

    /// <summary>The same random ones for both.</summary>
    [JsonStringEnumMemberName("random")] Random,
}
