using static TorchSharp.torch;

namespace Peft.Adapters;

/// <summary>A tensor of an adapter in the format of the Adapters library.</summary>
/// <param name="Key">Its key.</param>
/// <param name="Shape">Its shape.</param>
/// <param name="Read">Its value in the library's form.</param>
/// <param name="Write">Takes a value in the library's form; null if the adapter has no such tensor and the library only expects one.</param>
internal sealed record HubTensor(string Key, IReadOnlyList<long> Shape, Func<Tensor> Read, Action<Tensor>? Write)
{
    /// <summary>A tensor that the library holds in the same form.</summary>
    public static HubTensor Same(string key, Tensor tensor) => new(key, tensor.shape, () => tensor.detach(), value => tensor.copy_(value));
}
