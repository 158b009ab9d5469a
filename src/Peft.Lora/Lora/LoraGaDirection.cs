namespace Peft;

/// <summary>Selects, of the 2·rank leading singular vectors of the gradient, those that LoRA-GA uses for A and for B.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<LoraGaDirection>))]
[TypeConverter(typeof(EnumNames<LoraGaDirection>))]
public enum LoraGaDirection
{
    /// <summary>The first ones for A, the following ones for B.</summary>
    [JsonStringEnumMemberName("ArB2r")] FirstA,

    /// <summary>The first ones for B, the following ones for A.</summary>
    [JsonStringEnumMemberName("A2rBr")] FirstB,

    /// <summary>Alternating, the first one for B.</summary>
    [JsonStringEnumMemberName("ArBr")] Alternating,

    /// <summary>The same random ones for both.</summary>
    [JsonStringEnumMemberName("random")] Random,
}
