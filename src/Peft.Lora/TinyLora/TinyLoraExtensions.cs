namespace Peft;

/// <summary>Extension methods that apply TinyLoRA to any model.</summary>
public static class TinyLoraExtensions
{
    /// <summary>Freezes a model and adds a TinyLoRA adapter to it.</summary>
    /// <param name="size">Number of trained parameters per group of layers.</param>
    /// <include file="../../Apply.xml" path="docs/modules/*"/>
    public static PeftModel ApplyTinyLora(this nn.Module model, int size = 64, ModuleSelector? targets = null)
        => model.ApplyAdapter(new TinyLoraOptions { Size = size, TargetModules = targets });
}
