namespace Peft;

/// <summary>Extension methods that apply VB-LoRA to any model.</summary>
public static class VbLoraExtensions
{
    /// <summary>Freezes a model and adds a VB-LoRA adapter to it.</summary>
    /// <param name="rank">Rank of the update.</param>
    /// <include file="../../Apply.xml" path="docs/modules/*"/>
    public static PeftModel ApplyVbLora(this nn.Module model, int rank = 4, ModuleSelector? targets = null)
        => model.ApplyAdapter(new VbLoraOptions { Rank = rank, TargetModules = targets });
}
