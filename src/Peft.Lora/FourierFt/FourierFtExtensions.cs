namespace Peft;

/// <summary>Extension methods that apply FourierFT to any model.</summary>
public static class FourierFtExtensions
{
    /// <summary>Freezes a model and adds a FourierFT adapter to it.</summary>
    /// <param name="model">The model; it is adapted in place.</param>
    /// <param name="frequencies">Number of trained coefficients per weight.</param>
    /// <param name="targets">Modules to adapt. If null: the default targets of the architecture, or every linear module of an unknown architecture.</param>
    /// <exception cref="TargetNotFoundException">No module matches <paramref name="targets"/>.</exception>
    public static PeftModel ApplyFourierFt(this nn.Module model, int frequencies = 1000, ModuleSelector? targets = null)
        => model.ApplyAdapter(new FourierFtOptions { Frequencies = frequencies, TargetModules = targets });
}
