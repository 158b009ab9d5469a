using static TorchSharp.torch;

namespace Peft;

/// <summary>A stored weight that is multiplied by quantized inputs in evaluation, such as LLM.int8.</summary>
public interface IQuantizesInputs
{
    /// <summary>True if inputs are quantized in evaluation.</summary>
    bool QuantizesInputs { get; }

    /// <summary>Computes the module's product without its bias, <c>[…, in]</c> to <c>[…, out]</c>, and without gradients.</summary>
    Tensor MultiplyQuantized(Tensor input);
}
