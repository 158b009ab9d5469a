using static TorchSharp.torch;

namespace Peft;

/// <summary>Settings of an export.</summary>
public sealed record ExportOptions
{
    /// <summary>vLLM's <c>--max-lora-rank</c>. 16 by default, as there.</summary>
    public int MaxRank { get; init; } = 16;

    /// <summary>Dtype of an ONNX graph's weights, hidden states and adapters: float32 or float16. Norms, softmax and rotary angles are computed in float32 in either, as in transformers.</summary>
    public ScalarType Dtype { get; init; } = ScalarType.Float32;
}
