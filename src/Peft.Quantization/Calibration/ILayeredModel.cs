using static TorchSharp.torch;

namespace Peft.Quantization;

/// <summary>A model of layers that run one after another. Calibration keeps the states between two layers, so that no layer runs again for the layers after it.</summary>
internal interface ILayeredModel
{
    /// <summary>The layers in the order of execution; empty if they cannot run by themselves.</summary>
    IReadOnlyList<nn.Module> Layers { get; }

    /// <summary>Lets forward passes run a single layer until the result is disposed.</summary>
    /// <param name="layer">Index of the layer.</param>
    /// <param name="input">Its input; null for what the model computes.</param>
    /// <param name="output">Receives its output, and ends the pass by an exception.</param>
    IDisposable RunOnly(int layer, Tensor? input, Action<Tensor> output);

    /// <summary>The modules of a layer into which factors of inputs can be folded.</summary>
    IReadOnlyList<ScaleFold> FoldsOf(int layer);
}
