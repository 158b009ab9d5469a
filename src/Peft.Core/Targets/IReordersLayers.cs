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
    /// <param name="order">Index of the model's own layer at each place.</param>
    /// <param name="isActive">Asked in each pass: whether it runs in this order, or in the model's own.</param>
    /// <returns>Puts the model's own layers back when it is disposed.</returns>
    /// <exception cref="AdapterOptionsException">The model cannot do that.</exception>
    IDisposable Reorder(IReadOnlyList<int> order, Func<bool> isActive);
}
