using static TorchSharp.torch;

namespace Peft;

/// <summary>Extension methods that apply (IA)³ to any model.</summary>
public static class Ia3Extensions
{
    /// <summary>Freezes a model and adds an (IA)³ adapter to it.</summary>
    /// <param name="model">The model; it is adapted in place.</param>
    /// <param name="targets">Modules to scale; the usual ones of the architecture if null, or every linear module if the architecture is unknown.</param>
    /// <param name="feedForward">Those of them that are scaled at their inputs; the usual one of the architecture if null.</param>
    /// <exception cref="TargetNotFoundException">No module matches <paramref name="targets"/>.</exception>
    public static PeftModel ApplyIa3(this nn.Module model, ModuleSelector? targets = null, ModuleSelector? feedForward = null)
        => model.ApplyAdapter(new Ia3Options { TargetModules = targets ?? (model is IPretrainedModel ? null : ModuleSelector.AllLinear), FeedForwardModules = feedForward });
}
