namespace Peft;

/// <summary>A layer that only multiplies the inputs or outputs of a module by factors. It then takes part in the kernels of layers.</summary>
public interface IScales
{
    /// <summary>The factors in this pass.</summary>
    /// <param name="inner">Computes the weights of the enclosed module, without gradients.</param>
    ChannelScales Scales(Func<Weights> inner);
}
