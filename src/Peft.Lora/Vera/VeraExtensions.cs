namespace Peft;

/// <summary>Extension methods that apply VeRA to any model.</summary>
public static class VeraExtensions
{
    /// <summary>Freezes a model and adds a VeRA adapter to it.</summary>
    /// <param name="rank">Rank of the shared projections.</param>
    /// <include file="../../Apply.xml" path="docs/modules/*"/>
    public static PeftModel ApplyVera(this nn.Module model, int rank = 256, ModuleSelector? targets = null)
        => model.ApplyAdapter(new VeraOptions { Rank = rank, TargetModules = targets });
}
