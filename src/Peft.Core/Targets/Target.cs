using Peft.Modules;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Peft;

/// <summary>
/// A module that an adapter can enter, seen as one operation y = f(x, W) + b with W as a matrix <c>[out, in]</c>. The target owns what
/// depends on the kind of operation (transposed storage, convolution, lookup), so that a method never does.
/// </summary>
public abstract class Target
{
    private protected Target(string path, nn.Module module)
    {
        Path = path;
        Module = module;
    }

    /// <summary>Path of the module in its model, such as <c>model.layers.0.self_attn.q_proj</c>.</summary>
    public string Path { get; }

    /// <summary>The adapted module.</summary>
    public nn.Module Module { get; }

    /// <summary>Number of the transformer layer that the module lies in, the first number in its path; null if it lies in none.</summary>
    public int? Layer => TargetMatcher.LayerNumber(Path, null);

    /// <summary>The module's own weight, in the shape that it stores.</summary>
    public abstract Parameter Weight { get; }

    /// <summary>The module's own bias <c>[out]</c>, or null.</summary>
    public abstract Parameter? Bias { get; }

    /// <summary>Rows of the weight matrix.</summary>
    public abstract long Out { get; }

    /// <summary>Columns of the weight matrix; for a convolution in/groups × kernel size.</summary>
    public abstract long In { get; }

    /// <summary>Whether the input is ids that pick columns of the matrix.</summary>
    public virtual bool IsLookup => false;

    /// <summary>Whether the weight is a matrix, so that a low-rank update has a meaning; false for norms.</summary>
    public virtual bool IsMatrix => true;

    /// <summary>Whether the module multiplies the vectors along its input's last dimension by the matrix, so that a method may regroup that dimension.</summary>
    public virtual bool IsProduct => false;

    /// <summary>The kind of the module.</summary>
    public ModuleKinds Kind => !IsMatrix ? ModuleKinds.Norm : IsLookup ? ModuleKinds.Embedding : IsProduct || IsParameter ? ModuleKinds.Linear : Groups > 1 ? ModuleKinds.GroupedConvolution : ModuleKinds.Convolution;

    /// <summary>Whether this is a parameter whose module alone knows what is done with it: a layer there changes the weight and never sees an input.</summary>
    public virtual bool IsParameter => false;

    /// <summary>Name of the weight in its module.</summary>
    internal virtual string WeightName => "weight";

    /// <summary>What tells the target from all others of its model.</summary>
    internal virtual object Key => Module;

    /// <summary>Whether a linear module stores the matrix as <c>[in, out]</c>: what Hugging Face calls <c>fan_in_fan_out</c>.</summary>
    public virtual bool IsStoredTransposed => false;

    /// <summary>Channels of the input: <see cref="In"/>, but for a convolution what the kernel runs over.</summary>
    public virtual long InputChannels => In;

    /// <summary>Shape in which a factor <c>[rank, in]</c> is saved: <c>[rank, in/groups, kernel…]</c> for a convolution.</summary>
    public virtual long[] InputFactorShape(long rank) => [rank, In];

    /// <summary>Shape in which a factor <c>[out, rank]</c> is saved: <c>[out, rank, 1…]</c> for a convolution.</summary>
    public virtual long[] OutputFactorShape(long rank) => [Out, rank];

    /// <summary>Shape in which a vector <c>[out]</c> of a method that scales outputs is saved: <c>[1, out, 1…]</c> for a convolution.</summary>
    public virtual long[] OutputVectorShape => [Out];

    /// <summary>The stored weight as the matrix <c>[out, in]</c> (a view where possible).</summary>
    public abstract Tensor ToMatrix(Tensor stored);

    /// <summary>The matrix <c>[out, in]</c> in the shape that the module stores (a view where possible).</summary>
    public abstract Tensor ToStored(Tensor matrix);

    /// <summary>
    /// The operation with another matrix <c>[rows, in]</c> and bias <c>[rows]</c>: the output has <c>rows</c> channels. A matrix
    /// <c>[rows, in·groups]</c> for a convolution of groups sees the channels of all.
    /// </summary>
    public abstract Tensor Apply(Tensor input, Tensor matrix, Tensor? bias = null);

    /// <summary>Maps the channels of an <see cref="Apply"/> output by a matrix <c>[out, rank]</c>, or <c>[out, rank/groups]</c> that keeps a convolution's groups apart.</summary>
    public virtual Tensor Expand(Tensor hidden, Tensor matrix) => nn.functional.linear(hidden, matrix);

    /// <summary>The operation with a product of thin matrices, b <c>[out, rank]</c> times a <c>[rank, in]</c>, which is formed only where the operation asks for it.</summary>
    public virtual Tensor ApplyFactors(Tensor input, Tensor a, Tensor b) => Expand(Apply(input, a), b);

    /// <summary>A vector <c>[out]</c> shaped to broadcast over the module's output: <c>[out, 1…]</c> for a convolution.</summary>
    public virtual Tensor AlongOutput(Tensor vector) => vector.reshape(-1);

    /// <summary>Groups of a convolution: runs of rows of the matrix, of one length, that each see inputs of their own; else 1.</summary>
    public virtual long Groups => 1;

    /// <summary>A vector of the <see cref="InputChannels"/> shaped to broadcast over the module's input: <c>[channels, 1…]</c> for a convolution.</summary>
    public virtual Tensor AlongInput(Tensor vector) => vector.reshape(-1);

    /// <summary>The matrix <c>[out, in]</c> that does to an input what the given one does to the input with its channels scaled by a vector.</summary>
    public virtual Tensor ScaleColumns(Tensor matrix, Tensor vector) => matrix.mul(vector.reshape(1, -1));

    /// <summary>How many columns of the matrix one forward pass uses: positions for a linear map, ids for a lookup.</summary>
    internal virtual long Positions(Tensor input) => input.numel() / In;

    /// <summary>
    /// Name of a low-rank factor in a saved file, by Hugging Face's rule: <c>lora_A.weight</c> where <paramref name="letter"/> is A,
    /// but <c>lora_embedding_A</c> for a lookup.
    /// </summary>
    public string FactorName(string prefix, string letter, string suffix = "")
        => IsLookup ? $"{prefix}_embedding_{letter}" : $"{prefix}_{letter}{suffix}";

    /// <inheritdoc/>
    public override string ToString() => $"{Path} ({Module.GetType().Name}, {Out}×{In})";

    /// <summary>The target that a module is, or null if adapters cannot enter modules of its kind.</summary>
    internal static Target? From(string path, nn.Module module) => module switch
    {
        AdaptableModule own => new OwnTarget(path, own),
        TorchSharp.Modules.Linear linear => new LinearTarget(path, linear),
        TorchSharp.Modules.Embedding embedding => new EmbeddingTarget(path, embedding),
        Convolution { transposed: false } convolution => new ConvolutionTarget(path, convolution),
        TorchSharp.Modules.LayerNorm { elementwise_affine: true } norm => new LayerNormTarget(path, norm),
        _ => null,
    };
}
