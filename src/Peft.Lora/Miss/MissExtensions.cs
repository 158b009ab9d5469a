namespace Peft;

/// <summary>Extension methods that apply MiSS to any model.</summary>
public static class MissExtensions
{
    /// <summary>Freezes a model and adds a MiSS adapter to it.</summary>
    /// <param name="rank">Number of rows of the shard that is repeated over the entire weight.</param>
    /// <include file="../../Apply.xml" path="docs/modules/*"/>
    public static PeftModel ApplyMiss(this nn.Module model, int rank = 64, ModuleSelector? targets = null)
        => model.ApplyAdapter(new MissOptions { Rank = rank, TargetModules = targets });
}
