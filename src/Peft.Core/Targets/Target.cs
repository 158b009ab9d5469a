using Peft.Modules;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Peft;

/// <summary>
/// A module that can be adapted, as an operation y = f(x, W) + b with W as a matrix <c>[out, in]</c>. The target handles everything that
/// depends on the kind of operation (transposed storage, convolution, lookup), so that methods need not.
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

    /// <summary>Index of the transformer layer that contains the module: the first number in its path; null if there is none.</summary>
    public int? Layer => TargetMatcher.LayerNumber(Path, null);

    /// <summary>The module's own weight, in its stored shape.</summary>
    public abstract Parameter Weight { get; }

    /// <summary>The module's own bias <c>[out]</c>, or null.</summary>
    public abstract Parameter? Bias { get; }

    /// <summary>Rows of the weight matrix.</summary>
    public abstract long Out { get; }

    /// <summary>Columns of the weight matrix; for a convolution in/groups × kernel size.</summary>
    public abstract long In { get; }

    /// <summary>True if the input consists of ids that select columns of the matrix.</summary>
    public virtual bool IsLookup => false;

    /// <summary>True if the weight is a matrix, so that a low-rank update is meaningful; false for norms.</summary>
    public virtual bool IsMatrix => true;

    /// <summary>True if the module multiplies the vectors along its input's last dimension by the matrix, so that a method may regroup that dimension.</summary>
    public virtual bool IsProduct => false;

    /// <summary>The kind of the module.</summary>
    public ModuleKinds Kind => !IsMatrix ? ModuleKinds.Norm : IsLookup ? ModuleKinds.Embedding : IsProduct || IsParameter ? ModuleKinds.Linear : Groups > 1 ? ModuleKinds.GroupedConvolution : ModuleKinds.Convolution;

    /// <summary>True for a parameter whose use only its module knows: a layer changes the weight and never sees an input.</summary>
    public virtual bool IsParameter => false;

    /// <summary>Name of the weight in its module.</summary>
    internal virtual string WeightName => "weight";

    /// <summary>Identifies the target among all targets of its model.</summary>
    internal virtual object Key => Module;

    /// <summary>True if a linear module stores the matrix as <c>[in, out]</c> (Hugging Face's <c>fan_in_fan_out</c>).</summary>
    public virtual bool IsStoredTransposed => false;

    /// <summary>Number of input channels: <see cref="In"/>; for a convolution, the channels of its input.</summary>
    public virtual long InputChannels => In;

    /// <summary>Saved shape of a factor <c>[rank, in]</c>: <c>[rank, in/groups, kernel…]</c> for a convolution.</summary>
    public virtual long[] InputFactorShape(long rank) => [rank, In];

    /// <summary>Saved shape of a factor <c>[out, rank]</c>: <c>[out, rank, 1…]</c> for a convolution.</summary>
    public virtual long[] OutputFactorShape(long rank) => [Out, rank];

    /// <summary>Saved shape of an output scaling vector <c>[out]</c>: <c>[1, out, 1…]</c> for a convolution.</summary>
    public virtual long[] OutputVectorShape => [Out];

    /// <summary>The stored weight as the matrix <c>[out, in]</c> (a view where possible).</summary>
    public abstract Tensor ToMatrix(Tensor stored);

    /// <summary>The matrix <c>[out, in]</c> in the module's stored shape (a view where possible).</summary>
    public abstract Tensor ToStored(Tensor matrix);

    /// <summary>
    /// Applies the operation with another matrix <c>[rows, in]</c> and bias <c>[rows]</c>: the output has <c>rows</c> channels. For a grouped
    /// convolution, a matrix <c>[rows, in·groups]</c> sees the channels of all groups.
    /// </summary>
    public abstract Tensor Apply(Tensor input, Tensor matrix, Tensor? bias = null);

    /// <summary>
    /// Maps the channels of an <see cref="Apply"/> output by a matrix <c>[out, rank]</c>, or <c>[out, rank/groups]</c> to keep the groups of a convolution
    /// separate.
    /// </summary>
    public virtual Tensor Expand(Tensor hidden, Tensor matrix) => nn.functional.linear(hidden, matrix);

    /// <summary>Applies the operation with the product of b <c>[out, rank]</c> and a <c>[rank, in]</c>, which is only computed if the operation requires it.</summary>
    public virtual Tensor ApplyFactors(Tensor input, Tensor a, Tensor b) => Expand(Apply(input, a), b);

    /// <summary>A vector <c>[out]</c>, reshaped to broadcast over the module's output: <c>[out, 1…]</c> for a convolution.</summary>
    public virtual Tensor AlongOutput(Tensor vector) => vector.reshape(-1);

    /// <summary>Number of groups of a convolution: equal spans of rows of the matrix, each with its own input channels; else 1.</summary>
    public virtual long Groups => 1;

    /// <summary>A vector of <see cref="InputChannels"/> values, reshaped to broadcast over the module's input: <c>[channels, 1…]</c> for a convolution.</summary>
    public virtual Tensor AlongInput(Tensor vector) => vector.reshape(-1);

    /// <summary>A matrix <c>[out, in]</c> with its columns scaled: applying it equals applying the given matrix to the input with its channels scaled by a vector.</summary>
    public virtual Tensor ScaleColumns(Tensor matrix, Tensor vector) => matrix.mul(vector.reshape(1, -1));

    /// <summary>Number of matrix applications in one forward pass: positions for a linear map, ids for a lookup.</summary>
    internal virtual long Positions(Tensor input) => input.numel() / In;

    /// <summary>
    /// Name of a low-rank factor in a saved file, by Hugging Face's rule: <c>lora_A.weight</c> if <paramref name="letter"/> is A,
    /// but <c>lora_embedding_A</c> for a lookup.
    /// </summary>
    public string FactorName(string prefix, string letter, string suffix = "")
        => IsLookup ? $"{prefix}_embedding_{letter}" : $"{prefix}_{letter}{suffix}";

    /// <inheritdoc/>
    public override string ToString() => $"{Path} ({Module.GetType().Name}, {Out}×{In})";

    /// <summary>The target of a module, or null if modules of its type cannot be adapted.</summary>
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
