using static TorchSharp.torch;

namespace Peft.Quantization;

/// <summary>Collects the gradient of a weight that is not a parameter, from creation until disposal.</summary>
internal sealed class StoredGradient : IDisposable
{
    private readonly WeightStorage storage;
    private readonly WeightGradient gradient = new();

    public StoredGradient(WeightStorage storage) => (this.storage, storage.Gradient) = (storage, gradient);

    /// <summary>The gradient so far, in the weight's shape and float32; null if no product had one.</summary>
    public Tensor? Value => gradient.Value;

    public void Dispose()
    {
        storage.Gradient = null;
        gradient.Dispose();
    }
}
