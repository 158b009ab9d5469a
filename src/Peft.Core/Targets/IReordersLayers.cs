namespace Peft;

/// <summary>A model that can run its layers in another order, with some of them repeated, for an adapter.</summary>
public interface IReordersLayers
{
    /// <summary>Number of the model's own layers.</summary>
    int LayerCount { get; }

    /// <summary>
    /// Replaces the model's layers by a new sequence. Each new layer is a separate module, which is adapted separately, and shares the weights of the
    /// layer that it repeats. Nothing is copied.
    /// </summary>
    /// <param name="order">Index of the model's layer to run at each position.</param>
    /// <param name="isActive">Called in each forward pass: true for this order, false for the model's own order.</param>
    /// <returns>A scope that restores the model's own layers when it is disposed.</returns>
    /// <exception cref="AdapterOptionsException">The model does not support this.</exception>
    IDisposable Reorder(IReadOnlyList<int> order, Func<bool> isActive);
}
