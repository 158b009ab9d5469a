using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>Restricts forward passes to a single layer until it is disposed.</summary>
/// <param name="Index">Index of the layer.</param>
/// <param name="Input">Its input; null for the one that the model computes.</param>
/// <param name="Output">Receives its output, and ends the pass by an exception.</param>
/// <param name="End">Lets passes run all layers again.</param>
internal sealed record LayerAlone(int Index, Tensor? Input, Action<Tensor> Output, Action End) : IDisposable
{
    public void Dispose() => End();
}
