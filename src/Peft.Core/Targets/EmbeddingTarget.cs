using Peft.Modules;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Peft;

/// <summary>TorchSharp's Embedding, a table <c>[rows, size]</c>; as an operation, a matrix <c>[size, rows]</c> applied to one-hot ids.</summary>
internal sealed class EmbeddingTarget(string path, TorchSharp.Modules.Embedding module) : Target(path, module)
{
    public override Parameter Weight { get; } = module.weight!;   // the native module returns a new wrapper at each call
    public override Parameter? Bias => null;
    public override long Out => Weight.shape[1];
    public override long In => Weight.shape[0];
    public override bool IsLookup => true;
    public override Tensor ToMatrix(Tensor stored) => stored.t();
    public override Tensor ToStored(Tensor matrix) => matrix.t();
    internal override long Positions(Tensor input) => input.numel();

    public override Tensor Apply(Tensor input, Tensor matrix, Tensor? bias = null)
    {
        using var table = matrix.t();
        return Modules.Embedding.Lookup(input, table);
    }
}
