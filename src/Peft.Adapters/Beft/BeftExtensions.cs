namespace Peft;

/// <summary>Extension methods that apply BEFT to any model.</summary>
public static class BeftExtensions
{
    /// <summary>Freezes a model and adds a BEFT adapter to it.</summary>
    /// <param name="model">The model; it is adapted in place.</param>
    /// <param name="targets">Modules to adapt. If null: the default targets of the architecture, or every linear module of an unknown architecture.</param>
    /// <exception cref="TargetNotFoundException">No module matches <paramref name="targets"/>.</exception>
    public static PeftModel ApplyBeft(this nn.Module model, ModuleSelector? targets = null)
        => model.ApplyAdapter(new BeftOptions { TargetModules = targets });
}
