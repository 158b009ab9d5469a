namespace Peft;

/// <summary>Extension methods that apply PVeRA to any model.</summary>
public static class PveraExtensions
{
    /// <summary>Freezes a model and adds a PVeRA adapter to it.</summary>
    /// <param name="rank">Rank of the shared projections.</param>
    /// <include file="../../Apply.xml" path="docs/modules/*"/>
    public static PeftModel ApplyPvera(this nn.Module model, int rank = 256, ModuleSelector? targets = null)
        => model.ApplyAdapter(new PveraOptions { Rank = rank, TargetModules = targets });
}
