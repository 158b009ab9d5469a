using static TorchSharp.torch;

namespace Peft;

/// <summary>
/// The shared tensors of an adapter that reads the model's last hidden states before its layers run (X-LoRA). The model then runs
/// two forward passes, the first without adapters and without gradients.
/// </summary>
public interface IReadsPreliminaryPass
{
    /// <summary>Called between the first forward pass and the second.</summary>
    /// <param name="states">The last hidden states <c>[batch, positions, hidden]</c>, which must not be kept.</param>
    /// <returns>A scope that is disposed after the second forward pass.</returns>
    IDisposable Read(Tensor states);
}
