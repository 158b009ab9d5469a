namespace Peft;

/// <summary>Extension methods that apply PSOFT to any model.</summary>
public static class PsoftExtensions
{
    /// <summary>Freezes a model and adds a PSOFT adapter to it.</summary>
    /// <param name="rank">Number of singular vectors, the dimension of the subspace to rotate.</param>
    /// <include file="../../Apply.xml" path="docs/modules/*"/>
    public static PeftModel ApplyPsoft(this nn.Module model, int rank = 32, ModuleSelector? targets = null)
        => model.ApplyAdapter(new PsoftOptions { Rank = rank, Alpha = rank, TargetModules = targets });
}
