namespace Peft;

/// <summary>Extension methods that apply (IA)³ to any model.</summary>
public static class Ia3Extensions
{
    /// <summary>Freezes a model and adds an (IA)³ adapter to it.</summary>
    /// <param name="model">The model; it is adapted in place.</param>
    /// <param name="targets">Modules to scale. If null: the default targets of the architecture, or every linear module of an unknown architecture.</param>
    /// <param name="feedForward">Targets whose inputs are scaled instead of their outputs. If null, the architecture's default.</param>
    /// <exception cref="TargetNotFoundException">No module matches <paramref name="targets"/>.</exception>
    public static PeftModel ApplyIa3(this nn.Module model, ModuleSelector? targets = null, ModuleSelector? feedForward = null)
        => model.ApplyAdapter(new Ia3Options { TargetModules = targets, FeedForwardModules = feedForward });
}
