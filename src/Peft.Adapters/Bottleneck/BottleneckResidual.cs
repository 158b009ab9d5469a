using System.Text.Json;
using System.Text.Json.Serialization;

namespace Peft;

/// <summary>Where the residual connection around a bottleneck starts.</summary>
[JsonConverter(typeof(BottleneckResidualConverter))]
public enum BottleneckResidual
{
    /// <summary>At the sub-block's own output: <c>true</c> in a file.</summary>
    BeforeNorm,

    /// <summary>After the residual stream is added, before the norm: <c>"post_add"</c>.</summary>
    AfterAddition,

    /// <summary>After the norm, at the bottleneck's input: <c>false</c>.</summary>
    AfterNorm,
}

internal sealed class BottleneckResidualConverter : JsonConverter<BottleneckResidual>
{
    public override BottleneckResidual Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => reader.TokenType switch
    {
        JsonTokenType.True => BottleneckResidual.BeforeNorm,
        JsonTokenType.False => BottleneckResidual.AfterNorm,
        JsonTokenType.String when reader.GetString() == "post_add" => BottleneckResidual.AfterAddition,
        _ => throw new JsonException("residual_before_ln must be true, false or \"post_add\"."),
    };

    public override void Write(Utf8JsonWriter writer, BottleneckResidual value, JsonSerializerOptions options)
    {
        if (value == BottleneckResidual.AfterAddition) writer.WriteStringValue("post_add");
        else writer.WriteBooleanValue(value == BottleneckResidual.BeforeNorm);
    }
}
