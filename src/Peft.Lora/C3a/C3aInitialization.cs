namespace Peft;

/// <summary>Initialization of C3A's kernels.</summary>
[TypeConverter(typeof(EnumNames<C3aInitialization>))]
public enum C3aInitialization
{
    /// <summary>Xavier-uniform, with the fan-in and fan-out of the entire weight.</summary>
    [JsonStringEnumMemberName("xavier_uniform")] XavierUniform,

    /// <summary>Uniform on ±1/√in.</summary>
    [JsonStringEnumMemberName("kaiming_uniform")] KaimingUniform,

    /// <summary>Normally distributed with standard deviation 1.</summary>
    [JsonStringEnumMemberName("gaussian")] Gaussian,

    /// <summary>Zero: the adapter is initialized as a no-op.</summary>
    [JsonStringEnumMemberName("true")] Zero,

    /// <summary>Another name for <see cref="XavierUniform"/>.</summary>
    [JsonStringEnumMemberName("false")] Random,
}
