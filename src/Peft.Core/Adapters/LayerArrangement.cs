using static TorchSharp.torch;

namespace Peft;

/// <summary>The order of layers that the adapters of a model were made for, where it is another than the model's own.</summary>
internal sealed class LayerArrangement(nn.Module model, Func<bool> isActive) : IDisposable
{
    private IReadOnlyList<int>? order;
    private IDisposable? arranged;

    /// <summary>Whether the layers are not the model's own.</summary>
    public bool IsSet => arranged is not null;

    /// <summary>Arranges the layers as an adapter asks, before it is planned; true if they are others now.</summary>
    /// <param name="wanted">The layer at each place; null where the adapter takes them as they are.</param>
    /// <param name="adapted">Whether the model has adapters.</param>
    public bool Arrange(IReadOnlyList<int>? wanted, bool adapted)
    {
        if (wanted is null || order?.SequenceEqual(wanted) == true) return false;
        if (adapted) throw new AdapterOptionsException($"The adapter asks for layers in the order [{string.Join(", ", wanted)}], but the model's adapters were made for {(order is null ? "its own" : $"[{string.Join(", ", order)}]")}. Take those off first.");
        if (model is not IReordersLayers layers) throw new AdapterOptionsException($"The adapter asks for layers in the order [{string.Join(", ", wanted)}], which a {model.GetType().Name} cannot run.");
        if (wanted.Any(layer => layer < 0 || layer >= layers.LayerCount)) throw new AdapterOptionsException($"The adapter asks for layers in the order [{string.Join(", ", wanted)}], but the model has {layers.LayerCount}, counted from 0.");
        arranged = layers.Reorder(wanted, isActive);
        order = wanted;
        return true;
    }

    /// <summary>Puts the model's own layers back.</summary>
    public void Dispose()
    {
        arranged?.Dispose();
        (arranged, order) = (null, null);
    }
}
