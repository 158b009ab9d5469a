using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>Dtype and device of a model's parameters.</summary>
internal readonly record struct Placement(ScalarType Type, Device Device);
