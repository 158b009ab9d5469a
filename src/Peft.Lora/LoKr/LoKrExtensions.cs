namespace Peft;

/// <summary>Extension methods that apply LoKr to any model.</summary>
public static class LoKrExtensions
{
    /// <summary>Freezes a model and adds a LoKr adapter to it.</summary>
    /// <param name="rank">Rank of the factors that are decomposed.</param>
    /// <include file="../../Apply.xml" path="docs/modules/*"/>
    public static PeftModel ApplyLoKr(this nn.Module model, int rank = 8, ModuleSelector? targets = null)
        => model.ApplyAdapter(new LoKrOptions { Rank = rank, Alpha = rank, TargetModules = targets });
}
