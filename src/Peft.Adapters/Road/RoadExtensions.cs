namespace Peft;

/// <summary>Extension methods that apply RoAd to any model.</summary>
public static class RoadExtensions
{
    /// <summary>Freezes a model and adds a RoAd adapter to it.</summary>
    /// <param name="variant">Degrees of freedom of the rotation and scaling of each pair of outputs.</param>
    /// <param name="groupSize">Size of the groups in which outputs are paired. It must be even and divide the output size of each target.</param>
    /// <include file="../../Apply.xml" path="docs/modules/*"/>
    public static PeftModel ApplyRoad(this nn.Module model, RoadVariant variant = RoadVariant.Road1, int groupSize = 64, ModuleSelector? targets = null)
        => model.ApplyAdapter(new RoadOptions { Variant = variant, GroupSize = groupSize, TargetModules = targets });
}
