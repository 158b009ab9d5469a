using static TorchSharp.torch;

namespace Peft;

/// <summary>An adapter that another one consists of, as it is saved.</summary>
/// <param name="Name">Name of the subfolder.</param>
/// <param name="Options">Its configuration.</param>
/// <param name="Tensors">Its tensors by their keys.</param>
public sealed record SavedPart(string Name, AdapterOptions Options, IReadOnlyDictionary<string, Tensor> Tensors);
