namespace Peft;

/// <summary>Variant of MiSS and its initialization.</summary>
[TypeConverter(typeof(EnumNames<MissForm>))]
public enum MissForm
{
    /// <summary>One shard <c>[r, out]</c>, initialized to zero.</summary>
    [JsonStringEnumMemberName("true")] Default,

    /// <summary>As <see cref="Default"/> with a random shard, for tests.</summary>
    [JsonStringEnumMemberName("false")] Random,

    /// <summary>A square block for each block of rows. It also multiplies the weight.</summary>
    [JsonStringEnumMemberName("bat")] Bat,

    /// <summary>A shard for a few outputs, repeated for all outputs: fewer parameters.</summary>
    [JsonStringEnumMemberName("mini")] Mini,
}
