namespace Peft;

/// <summary>Options of an adapter that runs the layers of the model in another order, or several times (LoRA's <c>layer_replication</c>).</summary>
public interface IReplicatesLayers
{
    /// <summary>Index of the model's layer to run at each position; null for the model's own order.</summary>
    IReadOnlyList<int>? LayerOrder { get; }
}
