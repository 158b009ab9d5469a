namespace Peft;

/// <summary>Extension methods that apply Lily to any model.</summary>
public static class LilyExtensions
{
    /// <summary>Freezes a model and adds a Lily adapter to it.</summary>
    /// <param name="rank">Rank of the update.</param>
    /// <include file="../../Apply.xml" path="docs/modules/*"/>
    public static PeftModel ApplyLily(this nn.Module model, int rank = 32, ModuleSelector? targets = null)
        => model.ApplyAdapter(new LilyOptions { Rank = rank, TargetModules = targets });
}
