using Peft.Modules;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Peft;

/// <summary>A module of this library, which applies itself.</summary>
internal sealed class OwnTarget(string path, AdaptableModule module) : Target(path, module)
{
    // Lookup tables and GPT-2's Conv1D store [in, out].
    private readonly bool transposed = module is TransposedLinear or Modules.Embedding;

    public override Parameter Weight => module.Weight;
    public override Parameter? Bias => module.Bias;
    public override long Out { get; } = module.Weight.shape[module is TransposedLinear or Modules.Embedding ? 1 : 0];
    public override long In { get; } = module.Weight.dim() == 1 ? 1 : module.Weight.shape[module is TransposedLinear or Modules.Embedding ? 0 : 1];
    public override bool IsLookup => module is Modules.Embedding;
    public override bool IsMatrix { get; } = module.Weight.dim() == 2;
    public override bool IsProduct => IsMatrix && !IsLookup;
    public override bool IsStoredTransposed => transposed && !IsLookup;
    public override Tensor ToMatrix(Tensor stored) => transposed ? stored.t() : stored.alias();
    public override Tensor ToStored(Tensor matrix) => transposed ? matrix.t() : matrix.alias();
    internal override long Positions(Tensor input) => IsLookup ? input.numel() : input.numel() / In;

    public override Tensor Apply(Tensor input, Tensor matrix, Tensor? bias = null)
    {
        if (!transposed) return module.Apply(input, matrix, bias);
        using var stored = matrix.t();
        return module.Apply(input, stored, bias);
    }
}
