using Peft.Modules;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Peft;

/// <summary>TorchSharp's LayerNorm, whose weight is a vector.</summary>
internal sealed class LayerNormTarget(string path, TorchSharp.Modules.LayerNorm module) : Target(path, module, ModuleKinds.Norm, module.weight!.numel(), 1)
{
    public override WeightStorage Storage => new ParameterStorage(module.weight!);
    public override Parameter? Bias => module.bias;

    public override Tensor Apply(Tensor input, Tensor matrix, Tensor? bias = null)
        => nn.functional.layer_norm(input, module.normalized_shape, matrix, bias, module.eps);
}
