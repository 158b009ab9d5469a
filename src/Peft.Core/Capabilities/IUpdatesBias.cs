using static TorchSharp.torch;

namespace Peft;

/// <summary>A <see cref="DeltaLayer"/> that also updates the bias.</summary>
public interface IUpdatesBias
{
    /// <summary>The update of the bias, <c>[out]</c>, a new tensor; null if there is none.</summary>
    Tensor? DeltaBias();
}
