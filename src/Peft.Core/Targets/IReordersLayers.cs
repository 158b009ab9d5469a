namespace Peft;

/// <summary>A model whose layers an adapter may run in another order, some of them more than once.</summary>
public interface IReordersLayers
{
    /// <summary>Number of its own layers.</summary>
    int LayerCount { get; }

    /// <summary>
    /// Puts layers in the place of the model's own: each is a module of its own, that adapters enter apart from others, and has the weights of the
    /// layer that it stands for. Nothing is copied.
    /// </summary>
    /// <param name="order">Number of the model's own layer at each place.</param>
    /// <returns>Puts the model's own layers back when it is disposed.</returns>
    /// <exception cref="AdapterOptionsException">The model cannot do that.</exception>
    ILayerOrder Reorder(IReadOnlyList<int> order);
}

/// <summary>Layers in another order.</summary>
public interface ILayerOrder : IDisposable
{
    /// <summary>Whether the model runs in this order, as it does at first, or in its own.</summary>
    bool IsActive { get; set; }
}
