namespace Peft;

/// <summary>Options whose saved form depends on the trained layers (AdaLoRA's pruned ranks).</summary>
public interface ISavedAfterTraining
{
    /// <summary>Returns the options to save.</summary>
    /// <param name="layers">The adapter's layers.</param>
    AdapterOptions AfterTraining(IReadOnlyList<AdapterLayer> layers);
}
