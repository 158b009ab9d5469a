namespace Peft;

/// <summary>Extension methods that apply DEFT to any model.</summary>
public static class DeftExtensions
{
    /// <summary>Freezes a model and adds a DEFT adapter to it.</summary>
    /// <param name="rank">Number of output directions to replace.</param>
    /// <include file="../../Apply.xml" path="docs/modules/*"/>
    public static PeftModel ApplyDeft(this nn.Module model, int rank = 8, ModuleSelector? targets = null)
        => model.ApplyAdapter(new DeftOptions { Rank = rank, TargetModules = targets });
}
