namespace Peft;

/// <summary>Options whose saved form differs from the given one, such as AdaLoRA's with the ranks of the trained layers.</summary>
public interface ISavedAfterTraining
{
    /// <summary>Returns the options to save.</summary>
    /// <param name="layers">The adapter's layers.</param>
    AdapterOptions AfterTraining(IReadOnlyList<AdapterLayer> layers);
}
