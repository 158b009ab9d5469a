namespace Peft;

/// <summary>Where the residual connection around a bottleneck begins.</summary>
[JsonConverter(typeof(FlagOrName<BottleneckResidual>))]
[TypeConverter(typeof(EnumNames<BottleneckResidual>))]
public enum BottleneckResidual
{
    /// <summary>At the sub-block's own output: <c>true</c> in a file.</summary>
    [JsonStringEnumMemberName("true")] BeforeNorm,

    /// <summary>After the residual stream is added, before the norm: <c>"post_add"</c>.</summary>
    [JsonStringEnumMemberName("post_add")] AfterAddition,

    /// <summary>After the norm, at the bottleneck's input: <c>false</c>.</summary>
    [JsonStringEnumMemberName("false")] AfterNorm,
}
