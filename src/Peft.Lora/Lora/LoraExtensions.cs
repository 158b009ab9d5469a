namespace Peft;

/// <summary>Extension methods that apply LoRA to any model.</summary>
public static class LoraExtensions
{
    /// <summary>Freezes a model and adds a LoRA adapter to it.</summary>
    /// <param name="rank">Rank of the update.</param>
    /// <param name="alpha">Scaling numerator; the update is scaled by alpha/rank. If null, alpha equals the rank, for a scaling of 1.</param>
    /// <include file="../../Apply.xml" path="docs/modules/*"/>
    public static PeftModel ApplyLora(this nn.Module model, int rank = 8, double? alpha = null, ModuleSelector? targets = null)
        => model.ApplyAdapter(new LoraOptions
        {
            Rank = rank,
            Alpha = alpha ?? rank,
            TargetModules = targets,
        });
}
