namespace Peft;

/// <summary>Options with more defaults that follow from the targets and the model, such as (IA)³'s feed-forward modules.</summary>
public interface IResolvesDefaults
{
    /// <summary>The options with these defaults filled in, as they are saved.</summary>
    /// <param name="targets">The target modules.</param>
    /// <param name="model">The model.</param>
    TargetedOptions Resolve(IReadOnlyList<Target> targets, ModelTree model);
}
