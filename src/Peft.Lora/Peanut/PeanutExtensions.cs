namespace Peft;

/// <summary>Extension methods that apply PEANuT to any model.</summary>
public static class PeanutExtensions
{
    /// <summary>Freezes a model and adds a PEANuT adapter to it.</summary>
    /// <param name="rank">Width of the network.</param>
    /// <include file="../../Apply.xml" path="docs/modules/*"/>
    public static PeftModel ApplyPeanut(this nn.Module model, int rank = 32, ModuleSelector? targets = null)
        => model.ApplyAdapter(new PeanutOptions { Rank = rank, TargetModules = targets });
}
