using Peft.Modules;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Peft;

/// <summary>
/// A module that can be adapted, as an operation y = f(x, W) + b with W as a matrix <c>[out, in]</c>. The target handles everything that
/// depends on the type of operation (transposed storage, convolution, lookup), so that methods need not.
/// </summary>
public abstract class Target
{
    private readonly long[] window;   // [in/groups, kernel…]

    private protected Target(string path, nn.Module module, ModuleKinds kind, long rows, params ReadOnlySpan<long> window)
    {
        Path = path;
        Module = module;
        Kind = kind;
        Out = rows;
        this.window = window.ToArray();
        In = this.window.Aggregate(1L, (a, b) => a * b);
    }

    /// <summary>Path of the module in its model, such as <c>model.layers.0.self_attn.q_proj</c>.</summary>
    public string Path { get; }

    /// <summary>The adapted module.</summary>
    public nn.Module Module { get; }

    /// <summary>The type of the module.</summary>
    public ModuleKinds Kind { get; }

    /// <summary>Index of the transformer layer that contains the module: the first number between two names in its path; null if there is none, as in <c>list.0</c>.</summary>
    public int? Layer => TargetMatcher.LayerNumber(Path, null);

    /// <summary>The module's own weight.</summary>
    public abstract WeightStorage Storage { get; }

    /// <summary>The module's own bias <c>[out]</c>, or null.</summary>
    public abstract Parameter? Bias { get; }

    /// <summary>Rows of the weight matrix.</summary>
    public long Out { get; }

    /// <summary>Columns of the weight matrix; for a convolution, in/groups × kernel size.</summary>
    public long In { get; }

    /// <summary>Dtype of the weight's values and of products with them.</summary>
    public ScalarType ComputeType => Storage.ComputeType;

    /// <summary>Device of the weight.</summary>
    public Device Device => Storage.Device;

    /// <summary>True if the input consists of ids that select columns of the matrix.</summary>
    public bool IsLookup => Kind == ModuleKinds.Embedding;

    /// <summary>True if the weight is a matrix, so that a low-rank update is meaningful; false for norms.</summary>
    public bool IsMatrix => Kind != ModuleKinds.Norm;

    /// <summary>True if the module multiplies the vectors along the last dimension of its input by the matrix, so that a method may reshape that dimension.</summary>
    public bool IsProduct => Kind == ModuleKinds.Linear && !IsParameter;

    /// <summary>True for a parameter whose use only its module knows. A layer changes the weight and never receives an input.</summary>
    public bool IsParameter => this is ParameterTarget;

    /// <summary>Name of the weight in its module.</summary>
    public virtual string WeightName => "weight";

    /// <summary>Identifies the target among all targets of its model.</summary>
    internal virtual object Key => Module;

    /// <summary>True if a linear module stores the matrix as <c>[in, out]</c> (Hugging Face's <c>fan_in_fan_out</c>).</summary>
    public virtual bool IsStoredTransposed => false;

    /// <summary>Number of groups of a convolution: equal spans of rows of the matrix, each with its own input channels; otherwise 1.</summary>
    public virtual long Groups => 1;

    /// <summary>Number of input channels: <see cref="In"/>; for a convolution, the channels of its input.</summary>
    public long InputChannels => window[0] * Groups;

    // A 1 for each dimension of a convolution's kernel.
    private protected long[] Ones => [.. window[1..].Select(_ => 1L)];

    /// <summary>Returns the saved shape of a factor <c>[rank, in]</c>: <c>[rank, in/groups, kernel…]</c> for a convolution.</summary>
    public long[] InputFactorShape(long rank) => [rank, .. window];

    /// <summary>Returns the saved shape of a factor <c>[out, rank]</c>: <c>[out, rank, 1…]</c> for a convolution.</summary>
    public long[] OutputFactorShape(long rank) => [Out, rank, .. Ones];

    /// <summary>Saved shape of an output scaling vector <c>[out]</c>: <c>[1, out, 1…]</c> for a convolution.</summary>
    public long[] OutputVectorShape => window.Length == 1 ? [Out] : [1, Out, .. Ones];

    /// <summary>True if two modules share one weight, such as a head that is tied to the embedding.</summary>
    public bool SharesWeightWith(Target other)
    {
        ArgumentNullException.ThrowIfNull(other);
        return ReferenceEquals(Storage.Identity, other.Storage.Identity);
    }

    /// <summary>Reads the weight as the matrix <c>[out, in]</c>: a new tensor, or a view of the weight.</summary>
    /// <param name="type">Dtype of the matrix; <see cref="ComputeType"/> if null.</param>
    /// <exception cref="ArgumentException">The dtype is not floating-point.</exception>
    public Tensor ReadMatrix(ScalarType? type = null)
    {
        if (type is { } asked && (!Enum.IsDefined(asked) || asked is not (ScalarType.Float16 or ScalarType.BFloat16 or ScalarType.Float32 or ScalarType.Float64)))
            throw new ArgumentException($"A weight can be read only in a floating-point dtype, but the dtype is {asked}.", nameof(type));
        using var stored = Storage.Read();
        var matrix = ToMatrix(stored);
        if (type is not { } wanted || matrix.dtype == wanted) return matrix;
        using (matrix) return matrix.to_type(wanted);
    }

    /// <summary>Converts a stored weight to the matrix <c>[out, in]</c> (a view if possible).</summary>
    public virtual Tensor ToMatrix(Tensor stored)
    {
        ArgumentNullException.ThrowIfNull(stored);
        return stored.alias();
    }

    /// <summary>Converts the matrix <c>[out, in]</c> to the module's stored shape (a view if possible).</summary>
    public virtual Tensor ToStored(Tensor matrix)
    {
        ArgumentNullException.ThrowIfNull(matrix);
        return matrix.alias();
    }

    /// <summary>Applies the operation with the module's own weight and bias.</summary>
    public Tensor Apply(Tensor input) => Apply(input, Storage, Bias);

    /// <summary>Applies the operation with a stored weight.</summary>
    internal virtual Tensor Apply(Tensor input, WeightStorage weight, Tensor? bias)
    {
        using var stored = weight.Read();
        using var matrix = ToMatrix(stored);
        return Apply(input, matrix, bias);
    }

    /// <summary>
    /// Applies the operation with another matrix <c>[rows, in]</c> and bias <c>[rows]</c>: the output has <c>rows</c> channels. For a grouped
    /// convolution, a matrix <c>[rows, in·groups]</c> reads the channels of all groups.
    /// </summary>
    public abstract Tensor Apply(Tensor input, Tensor matrix, Tensor? bias = null);

    /// <summary>
    /// Maps the channels of an output of <see cref="Apply(Tensor, Tensor, Tensor?)"/> by a matrix <c>[out, rank]</c>, or <c>[out, rank/groups]</c> to keep the groups of
    /// a convolution separate.
    /// </summary>
    public virtual Tensor Expand(Tensor hidden, Tensor matrix) => nn.functional.linear(hidden, matrix);

    /// <summary>Applies the operation with the product of b <c>[out, rank]</c> and a <c>[rank, in]</c>, which is computed only if the operation requires it.</summary>
    public virtual Tensor ApplyFactors(Tensor input, Tensor a, Tensor b) => Expand(Apply(input, a), b);

    /// <summary>Reshapes a vector <c>[out]</c> to broadcast over the module's output: <c>[out, 1…]</c> for a convolution.</summary>
    public Tensor AlongOutput(Tensor vector) => Along(vector);

    /// <summary>Reshapes a vector of <see cref="InputChannels"/> values to broadcast over the module's input: <c>[channels, 1…]</c> for a convolution.</summary>
    public Tensor AlongInput(Tensor vector) => Along(vector);

    private Tensor Along(Tensor vector)
    {
        ArgumentNullException.ThrowIfNull(vector);
        return vector.reshape([-1, .. Ones]);
    }

    /// <summary>Scales the columns of a matrix <c>[out, in]</c>. Applying the result equals applying the matrix to the input with its channels scaled by the vector.</summary>
    public Tensor ScaleColumns(Tensor matrix, Tensor vector)
    {
        ArgumentNullException.ThrowIfNull(matrix);
        ArgumentNullException.ThrowIfNull(vector);
        // Each row of the matrix reads the channels of its group, each at every position of the kernel.
        return matrix.reshape(Groups, -1, window[0], In / window[0]).mul(vector.reshape(Groups, 1, window[0], 1)).reshape(Out, In);
    }

    /// <summary>Returns the number of matrix applications in one forward pass: positions for a linear map (exact for a convolution with stride 1), ids for a lookup.</summary>
    internal long Positions(Tensor input) => IsLookup ? input.numel() : input.numel() / InputChannels;

    /// <summary>
    /// Returns the name of a low-rank factor in a saved file, by Hugging Face's rule: <c>lora_A.weight</c> if <paramref name="letter"/> is A,
    /// but <c>lora_embedding_A</c> for a lookup.
    /// </summary>
    public string FactorName(string prefix, string letter, string suffix = "")
        => IsLookup ? $"{prefix}_embedding_{letter}" : $"{prefix}_{letter}{suffix}";

    /// <inheritdoc/>
    public override string ToString() => $"{Path} ({Module.GetType().Name}, {Out}×{In})";

    /// <summary>Creates the target of a module; null if modules of its type cannot be adapted.</summary>
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
