using Peft.Modules;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Peft;

/// <summary>TorchSharp's Linear.</summary>
internal sealed class LinearTarget(string path, TorchSharp.Modules.Linear module) : Target(path, module, ModuleKinds.Linear, module.out_features, module.in_features)
{
    public override WeightStorage Storage => new ParameterStorage(module.weight!);
    public override Parameter? Bias => module.bias;
    public override Tensor Apply(Tensor input, Tensor matrix, Tensor? bias = null) => nn.functional.linear(input, matrix, bias);
}
