namespace Peft;

/// <summary>Extension methods that apply AdaLoRA to any model.</summary>
public static class AdaLoraExtensions
{
    /// <summary>Freezes a model and adds an AdaLoRA adapter to it.</summary>
    /// <param name="targetRank">Target average rank of the layers after training. The initial rank is 1.5 times as large.</param>
    /// <include file="../../Apply.xml" path="docs/modules/*"/>
    public static PeftModel ApplyAdaLora(this nn.Module model, int targetRank = 8, ModuleSelector? targets = null)
        => model.ApplyAdapter(new AdaLoraOptions { TargetRank = targetRank, InitialRank = (targetRank * 3 + 1) / 2, TargetModules = targets });
}
