using Peft.Modules;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Peft;

/// <summary>TorchSharp's Linear.</summary>
internal sealed class LinearTarget(string path, TorchSharp.Modules.Linear module) : Target(path, module)
{
    public override Parameter Weight => module.weight!;
    public override Parameter? Bias => module.bias;
    public override long Out => module.out_features;
    public override long In => module.in_features;
    public override bool IsProduct => true;
    public override Tensor ToMatrix(Tensor stored) => stored.alias();
    public override Tensor ToStored(Tensor matrix) => matrix.alias();
    public override Tensor Apply(Tensor input, Tensor matrix, Tensor? bias = null) => nn.functional.linear(input, matrix, bias);
}
