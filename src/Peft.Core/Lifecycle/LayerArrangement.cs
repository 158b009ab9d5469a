using static TorchSharp.torch;

namespace Peft;

/// <summary>The layer order that the adapters of a model require, if it differs from the model's own.</summary>
internal sealed class LayerArrangement(nn.Module model, Func<bool> isActive) : IDisposable
{
    private IReadOnlyList<int>? order;
    private IDisposable? arranged;

    /// <summary>True if the layer order differs from the model's own.</summary>
    public bool IsSet => arranged is not null;

    /// <summary>Reorders the layers as an adapter requires, before the adapter is planned. Returns true if the order changed.</summary>
    /// <param name="wanted">The layer at each index; null to keep the current order.</param>
    /// <param name="adapted">True if the model has adapters.</param>
    public bool Arrange(IReadOnlyList<int>? wanted, bool adapted)
    {
        if (wanted is null || order?.SequenceEqual(wanted) == true) return false;
        if (adapted) throw new AdapterOptionsException($"The adapter requires the layer order [{string.Join(", ", wanted)}], but the model's adapters use {(order is null ? "the model's own" : $"[{string.Join(", ", order)}]")}. Remove them first.");
        if (model is not IReordersLayers layers) throw new AdapterOptionsException($"The adapter requires the layer order [{string.Join(", ", wanted)}], which a {model.GetType().Name} cannot run.");
        if (wanted.Any(layer => layer < 0 || layer >= layers.LayerCount)) throw new AdapterOptionsException($"The adapter requires the layer order [{string.Join(", ", wanted)}], but the model has {layers.LayerCount} layers, counted from 0.");
        arranged = layers.Reorder(wanted, isActive);
        order = wanted;
        return true;
    }

    /// <summary>Restores the model's own layer order.</summary>
    public void Dispose()
    {
        arranged?.Dispose();
        (arranged, order) = (null, null);
    }
}
