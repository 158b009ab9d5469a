using static TorchSharp.torch;

namespace Peft;

/// <summary>
/// What the layers of an adapter share, where it must know the model's last hidden states before the layers run (X-LoRA): the model then runs
/// twice, first without adapters and without gradients.
/// </summary>
public interface IReadsPreliminaryPass
{
    /// <summary>Called after the first pass, before the second.</summary>
    /// <param name="states">The last hidden states <c>[batch, positions, hidden]</c>, which must not be kept.</param>
    /// <returns>Disposed when the second pass is over.</returns>
    IDisposable Read(Tensor states);
}
