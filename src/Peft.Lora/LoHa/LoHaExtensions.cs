namespace Peft;

/// <summary>Extension methods that apply LoHa to any model.</summary>
public static class LoHaExtensions
{
    /// <summary>Freezes a model and adds a LoHa adapter to it.</summary>
    /// <param name="rank">Rank of each of the two factors.</param>
    /// <include file="../../Apply.xml" path="docs/modules/*"/>
    public static PeftModel ApplyLoHa(this nn.Module model, int rank = 8, ModuleSelector? targets = null)
        => model.ApplyAdapter(new LoHaOptions { Rank = rank, Alpha = rank, TargetModules = targets });
}
