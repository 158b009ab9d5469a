using TorchSharp.Modules;

namespace Peft;

/// <summary>A trainable tensor and its name in the saved adapter.</summary>
/// <param name="Name">Key of the tensor, as in <c>adapter_model.safetensors</c>.</param>
/// <param name="Value">The tensor, a leaf that requires a gradient.</param>
public sealed record TrainableTensor(string Name, Parameter Value);
