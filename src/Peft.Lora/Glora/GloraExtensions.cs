namespace Peft;

/// <summary>Extension methods that apply GLoRA to any model.</summary>
public static class GloraExtensions
{
    /// <summary>Freezes a model and adds a GLoRA adapter to it.</summary>
    /// <param name="rank">Rank of the low-rank paths.</param>
    /// <include file="../../Apply.xml" path="docs/modules/*"/>
    public static PeftModel ApplyGlora(this nn.Module model, int rank = 8, ModuleSelector? targets = null)
        => model.ApplyAdapter(new GloraOptions { Rank = rank, TargetModules = targets });
}
