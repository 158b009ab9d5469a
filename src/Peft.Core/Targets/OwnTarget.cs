using Peft.Modules;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Peft;

/// <summary>A module of this library, which applies its own operation.</summary>
internal sealed class OwnTarget(string path, AdaptableModule module) : Target(path, module, KindOf(module), Rows(module), Columns(module))
{
    private readonly bool transposed = StoresTransposed(module);

    public override WeightStorage Storage => module.Storage;
    public override Parameter? Bias => module.Bias;
    public override bool IsStoredTransposed => transposed && !IsLookup;
    public override Tensor ToMatrix(Tensor stored) => transposed ? stored.t() : stored.alias();
    public override Tensor ToStored(Tensor matrix) => transposed ? matrix.t() : matrix.alias();

    public override Tensor Apply(Tensor input, Tensor matrix, Tensor? bias = null)
    {
        if (!transposed) return module.Apply(input, matrix, bias);
        using var stored = matrix.t();
        return module.Apply(input, stored, bias);
    }

    internal override Tensor Apply(Tensor input, WeightStorage weight, Tensor? bias) => module.Apply(input, weight, bias);

    // Lookup tables and GPT-2's Conv1D store [in, out].
    private static bool StoresTransposed(AdaptableModule module) => module is TransposedLinear or Modules.Embedding;

    private static ModuleKinds KindOf(AdaptableModule module)
        => module is Modules.Embedding ? ModuleKinds.Embedding : module.Storage.Shape.Count == 2 ? ModuleKinds.Linear : ModuleKinds.Norm;

    private static long Rows(AdaptableModule module) => module.Storage.Shape[StoresTransposed(module) ? 1 : 0];

    private static long Columns(AdaptableModule module) => module.Storage.Shape is { Count: 2 } shape ? shape[StoresTransposed(module) ? 0 : 1] : 1;
}
