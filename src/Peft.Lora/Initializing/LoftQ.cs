using Peft.Checkpoints;
using Peft.Lora;
using Peft.Modules;
using Peft.Quantization;
using static TorchSharp.torch;

namespace Peft;

/// <summary>LoftQ (Li et al. 2023, arXiv:2310.08659): an adapter that is initialized to the quantization error of the weights.</summary>
public static class LoftQ
{
    // Each iteration decomposes every matrix.
    private const int MaxIterations = 64;

    /// <summary>
    /// Quantizes a float model and adds a LoRA adapter that compensates the quantization error as far as its rank allows. Quantization and the low-rank approximation of the
    /// residual alternate. The adapter is saved with the initialization <c>true</c>, so that loading does not initialize it again.
    /// </summary>
    /// <param name="model">The float model.</param>
    /// <param name="options">Options of the adapter.</param>
    /// <param name="quantization">Quantization of the base weights; NF4 if null.</param>
    /// <param name="iterations">Number of iterations, from 1 to 64; the paper uses 1 to 5.</param>
    /// <exception cref="AdapterOptionsException">A target cannot be quantized, or the adapter is not a plain LoRA. The model is unchanged.</exception>
    /// <exception cref="QuantizationException">A weight has no quantized form. The model is unchanged.</exception>
    public static PeftModel ApplyLoftQ(this nn.Module model, LoraOptions options, QuantizationOptions? quantization = null, int iterations = 1)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentOutOfRangeException.ThrowIfLessThan(iterations, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(iterations, MaxIterations);
        quantization ??= QuantizationOptions.Nf4();
        options = options with { Initialization = LoraInitialization.Default };
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        ModelQuantization.RequireForms(model, quantization);
        var initial = InitialFactors(model, options, quantization, iterations);
        foreach (var (module, factors) in initial) module.Store(factors.Weight);
        ModelQuantization.QuantizeRest(model, quantization);
        var peft = model.ApplyAdapter(options);
        foreach (var (target, layer) in LoraCombining.LayersOf(peft, PeftModel.DefaultName))
        {
            var (_, a, b) = initial[(AdaptableModule)target.Module];
            layer.Refactor(a, b, layer.Scaling);
        }
        return peft;
    }

    /// <summary>
    /// Initializes a LoRA adapter of a quantized model to the best low-rank factors of the quantization error (<c>replace_lora_weights_loftq</c>). The float weights are read
    /// one at a time.
    /// </summary>
    /// <param name="model">The model.</param>
    /// <param name="folder">Folder of the float model.</param>
    /// <param name="name">Name of the adapter.</param>
    /// <exception cref="AdapterOptionsException">The adapter is not a plain LoRA, or a target is not quantized.</exception>
    /// <exception cref="CheckpointException">The folder lacks a weight, or cannot be read.</exception>
    public static void InitializeLoftQ(this PeftModel model, string folder, string name = PeftModel.DefaultName)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentException.ThrowIfNullOrEmpty(folder);
        var layers = LoraCombining.LayersOf(model, name);
        RequirePlain(LoraCombining.LoraOf(model, name));
        using var files = ShardedCheckpoint.Open(folder);
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        // All weights are read before any factor changes.
        var initial = layers.ToDictionary(pair => pair.Key, pair =>
        {
            var (target, layer) = pair;
            if (target.IsLookup || target.Storage is not QuantizedStorage stored) throw new AdapterOptionsException($"{target.Path} is not a quantized linear module, so LoftQ has no quantization error to compensate. Quantize the model, or target other modules.");
            var weight = target.ToMatrix(files.Read(target.Path + ".weight", target.Device, ScalarType.Float32));
            if (weight.size(0) != target.Out || weight.size(1) != target.In) throw new CheckpointException(folder, $"'{target.Path}.weight' is [{string.Join(", ", weight.shape)}], but the model has [{target.Out}, {target.In}].");
            return Factors(weight.sub(stored.Matrix.Dequantize().to_type(ScalarType.Float32)), layer.Rank, layer.Scaling);
        });
        foreach (var (target, (a, b)) in initial) layers[target].Refactor(a, b, layers[target].Scaling);
        model.Find(name).Options = LoraCombining.LoraOf(model, name) with { Initialization = LoraInitialization.Default };
    }

    /// <summary>The quantized weight and the factors of its error, alternately.</summary>
    internal static (QuantizedMatrix Weight, Tensor A, Tensor B) Alternate(Tensor weight, QuantizationOptions quantization, int rank, double scaling, int iterations)
    {
        var rest = weight.alias();
        for (var iteration = 1; ; iteration++)
        {
            var quantized = quantization.Quantize(rest);
            var (a, b) = Factors(weight.sub(quantized.Dequantize().to_type(ScalarType.Float32)), rank, scaling);
            if (iteration == iterations) return (quantized, a, b);
            quantized.Dispose();
            rest = weight.sub(b.mm(a).mul(Constant(scaling)));
        }
    }

    // A temporary adapter determines the targets, their ranks and scalings.
    private static Dictionary<AdaptableModule, (QuantizedStorage Weight, Tensor A, Tensor B)> InitialFactors(nn.Module model, LoraOptions options, QuantizationOptions quantization, int iterations)
    {
        RequirePlain(options);
        using var draft = model.ApplyAdapter(options);
        var targets = LoraCombining.LayersOf(draft, PeftModel.DefaultName);
        var initial = new Dictionary<AdaptableModule, (QuantizedStorage, Tensor, Tensor)>();
        // All targets are checked before any weight is quantized.
        foreach (var (target, layer) in targets)
        {
            if (target.Storage.Parameter is null || target.Module is not AdaptableModule || ModelQuantization.KindOf(model, target.Path, target.Module, quantization) != quantization)
                throw new AdapterOptionsException($"{target.Path} cannot be quantized, or is quantized already: LoftQ needs linear modules with float weights as targets. The model is unchanged.");
            RequireRank(target.Out, target.In, layer.Rank);
        }
        foreach (var (target, layer) in targets)
        {
            var module = (AdaptableModule)target.Module;
            var (matrix, a, b) = Alternate(target.ReadMatrix(ScalarType.Float32), quantization, layer.Rank, layer.Scaling, iterations);
            initial.Add(module, (new QuantizedStorage(matrix, target.IsStoredTransposed, target.ComputeType), a, b));
        }
        return initial;
    }

    // Factors whose product times the scaling is the best approximation of a matrix at the given rank.
    private static (Tensor A, Tensor B) Factors(Tensor rest, int rank, double scaling)
    {
        RequireRank(rest.size(0), rest.size(1), rank);
        var (u, s, vt) = linalg.svd(rest, fullMatrices: false);
        var root = s.narrow(0, 0, rank).div(Constant(scaling)).sqrt();
        return (root.unsqueeze(1).mul(vt.narrow(0, 0, rank)), u.narrow(1, 0, rank).mul(root));
    }

    private static void RequireRank(long outputs, long inputs, int rank)
    {
        if (rank > Math.Min(outputs, inputs)) throw new AdapterOptionsException($"LoftQ needs rank {rank} of a weight [{outputs}, {inputs}], whose rank is lower. Lower the rank of its module with RankPattern.");
    }

    private static void RequirePlain(LoraOptions options)
    {
        if (options.UseDora || options.HasOwnShape) throw new AdapterOptionsException($"LoftQ sets the two factors of plain LoRA: leave out {(options.UseDora ? nameof(options.UseDora) : options.Variants[0])}.");
    }
}
