namespace Peft;

/// <summary>Extension methods that apply SHiRA to any model.</summary>
public static class ShiraExtensions
{
    /// <summary>Freezes a model and adds a SHiRA adapter to it.</summary>
    /// <param name="rank">Number of trained elements per weight as a LoRA rank: a LoRA of this rank has as many parameters.</param>
    /// <include file="../../Apply.xml" path="docs/modules/*"/>
    public static PeftModel ApplyShira(this nn.Module model, int rank = 32, ModuleSelector? targets = null)
        => model.ApplyAdapter(new ShiraOptions { Rank = rank, TargetModules = targets });
}
