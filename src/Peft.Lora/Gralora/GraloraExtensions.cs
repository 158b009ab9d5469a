namespace Peft;

/// <summary>Extension methods that apply GraLoRA to any model.</summary>
public static class GraloraExtensions
{
    /// <summary>Freezes a model and adds a GraLoRA adapter to it.</summary>
    /// <param name="rank">Rank of a row of blocks. It must be a multiple of the number of blocks per row.</param>
    /// <include file="../../Apply.xml" path="docs/modules/*"/>
    public static PeftModel ApplyGralora(this nn.Module model, int rank = 32, ModuleSelector? targets = null)
        => model.ApplyAdapter(new GraloraOptions { Rank = rank, TargetModules = targets });
}
