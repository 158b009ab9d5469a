namespace Peft;

/// <summary>Extension methods that apply RandLoRA to any model.</summary>
public static class RandLoraExtensions
{
    /// <summary>Freezes a model and adds a RandLoRA adapter to it.</summary>
    /// <param name="rank">Rank of each random basis.</param>
    /// <include file="../../Apply.xml" path="docs/modules/*"/>
    public static PeftModel ApplyRandLora(this nn.Module model, int rank = 32, ModuleSelector? targets = null)
        => model.ApplyAdapter(new RandLoraOptions { Rank = rank, TargetModules = targets });
}
