using static TorchSharp.torch;

namespace Peft;

/// <summary>RoAd on any model.</summary>
public static class RoadExtensions
{
    /// <summary>Freezes a model and adds a RoAd adapter to it.</summary>
    /// <param name="model">The model; it is adapted in place.</param>
    /// <param name="variant">How freely each pair of outputs is turned and scaled.</param>
    /// <param name="groupSize">Size of the groups in which outputs are paired; must be even and divide each module's outputs.</param>
    /// <param name="targets">Modules to adapt; the usual ones of the architecture if null, or every linear module if the architecture is unknown.</param>
    /// <exception cref="TargetNotFoundException">Nothing matches the targets.</exception>
    public static PeftModel ApplyRoad(this nn.Module model, RoadVariant variant = RoadVariant.Road1, int groupSize = 64, ModuleSelector? targets = null)
        => model.ApplyAdapter(new RoadOptions { Variant = variant, GroupSize = groupSize, TargetModules = targets ?? (model is IPretrainedModel ? null : ModuleSelector.AllLinear) });
}
