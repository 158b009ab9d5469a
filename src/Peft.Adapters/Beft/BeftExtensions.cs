namespace Peft;

/// <summary>Extension methods that apply BEFT to any model.</summary>
public static class BeftExtensions
{
    /// <summary>Freezes a model and adds a BEFT adapter to it.</summary>
    /// <include file="../../Apply.xml" path="docs/modules/*"/>
    public static PeftModel ApplyBeft(this nn.Module model, ModuleSelector? targets = null)
        => model.ApplyAdapter(new BeftOptions { TargetModules = targets });
}
