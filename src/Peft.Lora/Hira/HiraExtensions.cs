namespace Peft;

/// <summary>Extension methods that apply HiRA to any model.</summary>
public static class HiraExtensions
{
    /// <summary>Freezes a model and adds a HiRA adapter to it.</summary>
    /// <param name="rank">Rank of B·A, by which the weight is multiplied elementwise.</param>
    /// <include file="../../Apply.xml" path="docs/modules/*"/>
    public static PeftModel ApplyHira(this nn.Module model, int rank = 32, ModuleSelector? targets = null)
        => model.ApplyAdapter(new HiraOptions { Rank = rank, TargetModules = targets });
}
