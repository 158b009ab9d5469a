using TorchSharp.Modules;

namespace Peft;

/// <summary>A tensor that an adapter owns or shares.</summary>
/// <param name="Name">Name in the saved file, following the module's path: <c>lora_A.weight</c>.</param>
/// <param name="Value">The tensor.</param>
/// <param name="IsTrainable">True if the tensor is trainable.</param>
/// <param name="IsSaved">True if the tensor is saved in the adapter's file.</param>
/// <param name="IsShared">True if another layer owns the tensor (tied weights).</param>
/// <param name="IsState">True if the tensor is training state, which training checkpoints contain.</param>
public sealed record AdapterTensor(string Name, Parameter Value, bool IsTrainable, bool IsSaved, bool IsShared, bool IsState = false);
