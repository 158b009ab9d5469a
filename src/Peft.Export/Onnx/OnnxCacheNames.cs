using Peft.Models;

namespace Peft.Export.Onnx;

/// <summary>Names of the keys and values of a layer, to which <c>key</c> and <c>value</c> are appended: as Optimum and ONNX Runtime GenAI have them.</summary>
/// <param name="Past">Of earlier positions, inputs.</param>
/// <param name="Present">Of all positions, outputs.</param>
internal sealed record OnnxCacheNames(string Past, string Present)
{
    /// <summary>The names with <c>%d</c> for the layer.</summary>
    public static OnnxCacheNames Template => new("past_key_values.%d.", "present.%d.");

    /// <summary>The names of a layer.</summary>
    /// <param name="layer">The layer.</param>
    /// <param name="stack">Empty, or <c>decoder.</c> or <c>encoder.</c> if there are both.</param>
    public static OnnxCacheNames Of(int layer, string stack = "") => new($"past_key_values.{layer}.{stack}", $"present.{layer}.{stack}");

    /// <summary>Adds the inputs of all layers, <c>[batch, heads, length, size]</c>.</summary>
    public static void AddInputs(OnnxGraph graph, TransformerSpec spec, string length, string stack = "")
    {
        for (var layer = 0; layer < spec.LayerCount; layer++)
            foreach (var kind in (ReadOnlySpan<string>)["key", "value"]) graph.Input(Of(layer, stack).Past + kind, "batch", spec.KeyValueHeadCount, length, spec.HeadSize);
    }
}
