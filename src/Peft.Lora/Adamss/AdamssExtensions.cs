namespace Peft;

/// <summary>Extension methods that apply AdaMSS to any model.</summary>
public static class AdamssExtensions
{
    /// <summary>Freezes a model and adds an AdaMSS adapter to it.</summary>
    /// <param name="rank">Number of right singular vectors onto which the input is projected.</param>
    /// <include file="../../Apply.xml" path="docs/modules/*"/>
    public static PeftModel ApplyAdamss(this nn.Module model, int rank = 100, ModuleSelector? targets = null)
        => model.ApplyAdapter(new AdamssOptions { Rank = rank, TargetModules = targets });
}
