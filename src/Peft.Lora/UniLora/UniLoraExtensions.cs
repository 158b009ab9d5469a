namespace Peft;

/// <summary>Extension methods that apply Uni-LoRA to any model.</summary>
public static class UniLoraExtensions
{
    /// <summary>Freezes a model and adds a Uni-LoRA adapter to it.</summary>
    /// <param name="parameters">Number of trained parameters of the entire adapter.</param>
    /// <include file="../../Apply.xml" path="docs/modules/*"/>
    public static PeftModel ApplyUniLora(this nn.Module model, int parameters = 256, ModuleSelector? targets = null)
        => model.ApplyAdapter(new UniLoraOptions { VectorLength = parameters, TargetModules = targets });
}
