namespace Peft;

/// <summary>Extension methods that apply DeLoRA to any model.</summary>
public static class DeloraExtensions
{
    /// <summary>Freezes a model and adds a DeLoRA adapter to it.</summary>
    /// <param name="rank">Rank of the update.</param>
    /// <include file="../../Apply.xml" path="docs/modules/*"/>
    public static PeftModel ApplyDelora(this nn.Module model, int rank = 8, ModuleSelector? targets = null)
        => model.ApplyAdapter(new DeloraOptions { Rank = rank, TargetModules = targets });
}
