using Peft.Modules;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Peft;

/// <summary>TorchSharp's LayerNorm, whose weight is a vector.</summary>
internal sealed class LayerNormTarget(string path, TorchSharp.Modules.LayerNorm module) : Target(path, module)
{
    public override Parameter Weight => module.weight!;
    public override Parameter? Bias => module.bias;
    public override long Out => Weight.numel();
    public override long In => 1;
    public override bool IsMatrix => false;
    public override Tensor ToMatrix(Tensor stored) => stored.alias();
    public override Tensor ToStored(Tensor matrix) => matrix.alias();

    public override Tensor Apply(Tensor input, Tensor matrix, Tensor? bias = null)
        => nn.functional.layer_norm(input, module.normalized_shape, matrix, bias, module.eps);
}
