namespace Peft;

/// <summary>Extension methods that apply WaveFT to any model.</summary>
public static class WaveFtExtensions
{
    /// <summary>Freezes a model and adds a WaveFT adapter to it.</summary>
    /// <param name="coefficients">Number of trained wavelet coefficients per weight.</param>
    /// <include file="../../Apply.xml" path="docs/modules/*"/>
    public static PeftModel ApplyWaveFt(this nn.Module model, int coefficients = 2592, ModuleSelector? targets = null)
        => model.ApplyAdapter(new WaveFtOptions { Coefficients = coefficients, TargetModules = targets });
}
