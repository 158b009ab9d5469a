namespace Peft;

/// <summary>Extension methods that apply FourierFT to any model.</summary>
public static class FourierFtExtensions
{
    /// <summary>Freezes a model and adds a FourierFT adapter to it.</summary>
    /// <param name="frequencies">Number of trained coefficients per weight.</param>
    /// <include file="../../Apply.xml" path="docs/modules/*"/>
    public static PeftModel ApplyFourierFt(this nn.Module model, int frequencies = 1000, ModuleSelector? targets = null)
        => model.ApplyAdapter(new FourierFtOptions { Frequencies = frequencies, TargetModules = targets });
}
