using static TorchSharp.torch;

namespace Peft;

/// <summary>An adapter that is saved as a part of another one.</summary>
/// <param name="Name">Name of the subfolder.</param>
/// <param name="Options">Its configuration.</param>
/// <param name="Tensors">Its tensors by their keys.</param>
public sealed record SavedPart(string Name, AdapterOptions Options, IReadOnlyDictionary<string, Tensor> Tensors);
