namespace Peft;

/// <summary>Extension methods that apply AdaLoRA to any model.</summary>
public static class AdaLoraExtensions
{
    /// <summary>Freezes a model and adds an AdaLoRA adapter to it.</summary>
    /// <param name="model">The model; it is adapted in place.</param>
    /// <param name="targetRank">Target average rank of the layers after training. The initial rank is 1.5 times as large.</param>
    /// <param name="targets">Modules to adapt. If null: the default targets of the architecture, or every linear module of an unknown architecture.</param>
    /// <exception cref="TargetNotFoundException">No module matches <paramref name="targets"/>.</exception>
    public static PeftModel ApplyAdaLora(this nn.Module model, int targetRank = 8, ModuleSelector? targets = null)
        => model.ApplyAdapter(new AdaLoraOptions { TargetRank = targetRank, InitialRank = (targetRank * 3 + 1) / 2, TargetModules = targets });
}
