using Peft.Modules;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Peft;

/// <summary>TorchSharp's Embedding, a table <c>[rows, size]</c>; as an operation, a matrix <c>[size, rows]</c> that is applied to one-hot ids.</summary>
internal sealed class EmbeddingTarget : Target
{
    public EmbeddingTarget(string path, TorchSharp.Modules.Embedding module) : this(path, module, module.weight!) { }

    // The native module returns a new wrapper of its weight at each call.
    private EmbeddingTarget(string path, nn.Module module, Parameter weight) : base(path, module, ModuleKinds.Embedding, weight.size(1), weight.size(0))
        => Storage = new ParameterStorage(weight);

    public override WeightStorage Storage { get; }
    public override Parameter? Bias => null;
    public override Tensor ToMatrix(Tensor stored) => stored.t();
    public override Tensor ToStored(Tensor matrix) => matrix.t();

    public override Tensor Apply(Tensor input, Tensor matrix, Tensor? bias = null)
    {
        using var table = matrix.t();
        return Modules.Embedding.Lookup(input, table);
    }
}
