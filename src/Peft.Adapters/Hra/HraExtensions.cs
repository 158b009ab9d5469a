namespace Peft;

/// <summary>Extension methods that apply HRA to any model.</summary>
public static class HraExtensions
{
    /// <summary>Freezes a model and adds an HRA adapter to it.</summary>
    /// <param name="rank">Number of reflections. An even number is initialized to pairs that cancel each other.</param>
    /// <include file="../../Apply.xml" path="docs/modules/*"/>
    public static PeftModel ApplyHra(this nn.Module model, int rank = 8, ModuleSelector? targets = null)
        => model.ApplyAdapter(new HraOptions { Rank = rank, TargetModules = targets });
}
