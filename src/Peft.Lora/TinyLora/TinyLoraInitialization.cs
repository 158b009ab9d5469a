namespace Peft;

/// <summary>Initialization of TinyLoRA's vectors.</summary>
[TypeConverter(typeof(EnumNames<TinyLoraInitialization>))]
public enum TinyLoraInitialization
{
    /// <summary>Zero: the adapter is initialized as a no-op.</summary>
    [JsonStringEnumMemberName("true")] Default,

    /// <summary>Same as <see cref="Uniform"/>.</summary>
    [JsonStringEnumMemberName("false")] Random,

    /// <summary>Uniform within <see cref="TinyLoraOptions.Bound"/>.</summary>
    [JsonStringEnumMemberName("uniform")] Uniform,
}
