namespace Peft;

/// <summary>Options that may have no target modules, because they name something else to adapt (LoRA's <c>target_parameters</c>).</summary>
public interface INeedsNoTargets
{
    /// <summary>True if target modules are optional.</summary>
    bool NeedsNoTargets { get; }
}
