namespace Peft;

/// <summary>A layer that only multiplies the inputs or outputs of a module by factors. It then takes part in the kernels of layers.</summary>
public interface IScales
{
    /// <summary>The factors in this pass.</summary>
    /// <param name="inner">The update of the weight that the layer encloses; null for none.</param>
    ChannelScales Scales(LowRankUpdate? inner);
}
