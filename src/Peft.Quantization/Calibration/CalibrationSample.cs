using static TorchSharp.torch;

namespace Peft.Quantization;

/// <summary>A sample of the inputs of a model.</summary>
/// <param name="Run">Runs the model on it.</param>
/// <param name="Mask">Its attention mask; null if all positions count.</param>
internal sealed record CalibrationSample(Action Run, Func<Tensor?> Mask);
