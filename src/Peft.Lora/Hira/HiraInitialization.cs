namespace Peft;

/// <summary>Initialization of HiRA's factors.</summary>
[TypeConverter(typeof(EnumNames<HiraInitialization>))]
public enum HiraInitialization
{
    /// <summary>A Kaiming-uniform, B zero: the adapter is initialized as a no-op.</summary>
    [JsonStringEnumMemberName("true")] Default,

    /// <summary>Both random, for tests.</summary>
    [JsonStringEnumMemberName("false")] Random,

    /// <summary>A normally distributed with standard deviation 1/r, B zero.</summary>
    [JsonStringEnumMemberName("gaussian")] Gaussian,
}
