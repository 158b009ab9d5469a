namespace Peft;

/// <summary>Extension methods that apply WaveFT to any model.</summary>
public static class WaveFtExtensions
{
    /// <summary>Freezes a model and adds a WaveFT adapter to it.</summary>
    /// <param name="model">The model; it is adapted in place.</param>
    /// <param name="coefficients">Number of trained wavelet coefficients per weight.</param>
    /// <param name="targets">Modules to adapt. If null: the default targets of the architecture, or every linear module of an unknown architecture.</param>
    /// <exception cref="TargetNotFoundException">No module matches <paramref name="targets"/>.</exception>
    public static PeftModel ApplyWaveFt(this nn.Module model, int coefficients = 2592, ModuleSelector? targets = null)
        => model.ApplyAdapter(new WaveFtOptions { Coefficients = coefficients, TargetModules = targets });
}
