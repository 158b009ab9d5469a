namespace Peft;

/// <summary>Extension methods that apply Poly to any model.</summary>
public static class PolyExtensions
{
    /// <summary>Freezes a model and adds a Poly adapter to it.</summary>
    /// <param name="rank">Rank of each skill.</param>
    /// <include file="../../Apply.xml" path="docs/modules/*"/>
    public static PeftModel ApplyPoly(this nn.Module model, int rank = 8, ModuleSelector? targets = null)
        => model.ApplyAdapter(new PolyOptions { Rank = rank, TargetModules = targets });
}
