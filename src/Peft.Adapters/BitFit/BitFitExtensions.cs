namespace Peft;

/// <summary>Extension methods that apply BitFit to any model.</summary>
public static class BitFitExtensions
{
    /// <summary>Freezes a model and adds a BitFit adapter, which trains its biases.</summary>
    /// <param name="model">The model; it is adapted in place.</param>
    /// <param name="targets">Modules whose biases are trained; all modules with a bias if null.</param>
    /// <exception cref="TargetNotFoundException">No module matches <paramref name="targets"/>.</exception>
    public static PeftModel ApplyBitFit(this nn.Module model, ModuleSelector? targets = null)
        => model.ApplyAdapter(new BitFitOptions { TargetModules = targets });
}
