namespace Peft;

/// <summary>Options whose saved form depends on what training did to the layers (AdaLoRA's pruned ranks).</summary>
public interface ISavedAfterTraining
{
    /// <summary>The options as they are saved.</summary>
    /// <param name="layers">The adapter's layers.</param>
    AdapterOptions AfterTraining(IReadOnlyList<AdapterLayer> layers);
}
