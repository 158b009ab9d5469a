namespace Peft;

/// <summary>Initialization of LoKr's factors.</summary>
[TypeConverter(typeof(EnumNames<LoKrInitialization>))]
public enum LoKrInitialization
{
    /// <summary>w1 zero, w2 random: the adapter is initialized as a no-op.</summary>
    [JsonStringEnumMemberName("true")] Default,

    /// <summary>Both random, for tests.</summary>
    [JsonStringEnumMemberName("false")] Random,

    /// <summary>w1 random, w2 zero, as in LyCORIS.</summary>
    [JsonStringEnumMemberName("lycoris")] Lycoris,
}
