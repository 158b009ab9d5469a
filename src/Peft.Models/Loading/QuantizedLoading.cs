using Peft.Checkpoints;
using Peft.Modules;
using Peft.Quantization;
using Peft.Quantization.Checkpoints;
using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>Loads quantized weights into modules: in the checkpoint's format, or quantized as the options say.</summary>
internal sealed class QuantizedLoading
{
    // Approximate bits per value of checkpoint formats: only a lower bound of the memory is needed.
    private const double StoredInCheckpoint = 4;
    private const string Bias = ".bias";

    private readonly PretrainedModel model;
    private readonly LoadOptions options;
    private readonly CheckpointFormat? format;
    private readonly Dictionary<string, AdaptableModule> modules;
    private readonly Dictionary<AdaptableModule, string> stored = [];

    // AutoGPTQ saves a bias of zeros for modules without one.
    private readonly List<string> unusedBiases = [];

    public QuantizedLoading(PretrainedModel model, LoadOptions options)
    {
        (this.model, this.options) = (model, options);
        format = CheckpointFormat.Of(model.Config[Field], model.Config.Source);
        if (format is not null && options.Quantization is not null)
            throw new QuantizationException($"{model.Config.Source}: the weights are already quantized ({format.Name}): omit LoadOptions.Quantization, or load the float weights of the model.");
        modules = model.named_modules().Where(pair => pair.module is AdaptableModule).DistinctBy(pair => pair.module).ToDictionary(pair => pair.name, pair => (AdaptableModule)pair.module);
    }

    /// <summary>The field of <c>config.json</c> that describes quantized weights.</summary>
    public const string Field = "quantization_config";

    /// <summary>Bits per value of the weights that will not be parameters; null if all will be.</summary>
    public static double? StoredBits(ModelConfig config, LoadOptions options)
    {
        options.Quantization?.Validate();
        return options.Quantization?.BitsPerValue ?? (config.Has(Field) ? StoredInCheckpoint : null);
    }

    /// <summary>Claims a parameter that the checkpoint stores in quantized form, with all its keys. Returns false for other parameters.</summary>
    public bool Takes(string name, string key, HashSet<string> keys)
    {
        const string Weight = ".weight";
        if (format is null || !name.EndsWith(Weight, StringComparison.Ordinal) || !key.EndsWith(Weight, StringComparison.Ordinal)) return false;
        var path = key[..^Weight.Length];
        if (!modules.TryGetValue(name[..^Weight.Length], out var module) || !format.Holds(path, keys)) return false;
        stored.Add(module, path);
        foreach (var part in format.KeysOf(path, keys).ToList()) keys.Remove(part);
        if (module.Bias is null && keys.Remove(path + Bias)) unusedBiases.Add(path + Bias);
        return true;
    }

    /// <summary>Allocates the parameters that are on the meta device, except weights that will be quantized.</summary>
    public void Allocate()
    {
        var at = options.Placement;
        foreach (var (path, module) in modules)
        {
            if (module.IsTied || module.Storage.Parameter is not { is_meta: true } weight) continue;
            if (module.Bias is { } bias) module.ReplaceBias(empty(bias.shape, at.Type, at.Device));
            if (!IsQuantized(path, module)) module.Replace(empty(weight.shape, at.Type, at.Device));
        }
    }

    /// <summary>Reads a float parameter of the checkpoint, and quantizes it if the options say so.</summary>
    public void Read(ITensorSource files, string name, string key)
    {
        var dot = name.LastIndexOf('.');
        if (modules.GetValueOrDefault(dot < 0 ? "" : name[..dot]) is { } module && name[(dot + 1)..] == "weight" && IsQuantized(name[..dot], module))
        {
            using var values = files.Read(key, options.Placement.Device, options.Placement.Type);
            try
            {
                ModelQuantization.Store(module, values, ModelQuantization.KindOf(model, name[..dot], module, options.Quantization!)!);
            }
            catch (QuantizationException error)
            {
                throw new QuantizationException($"{key}: {error.Message}");
            }
            return;
        }
        files.CopyInto(key, model.get_parameter(name)!);
    }

    /// <summary>Reads the weights that the checkpoint stores in quantized form.</summary>
    /// <exception cref="CheckpointMismatchException">A module has a bias that is not zero, but the model has none there.</exception>
    public void ReadStored(ITensorSource files)
    {
        var at = options.Placement;
        foreach (var bias in unusedBiases)
        {
            using var values = files.Read(bias, at.Device);
            if (values.count_nonzero().item<long>() > 0) throw new CheckpointMismatchException(model.Config.Source, [], [bias], []);
        }
        foreach (var (module, path) in stored)
        {
            var isTransposed = module is TransposedLinear;
            var shape = module.Storage.Shape;
            var matrix = format!.Read(files, path, shape[isTransposed ? 1 : 0], shape[isTransposed ? 0 : 1], at.Device);
            if (module is Linear or TransposedLinear && module != model.HeadModule) module.Store(new QuantizedStorage(matrix, isTransposed, at.Type));
            else
            {
                // A head or an embedding is used as a float weight.
                using (matrix)
                using (var values = matrix.Dequantize()) module.Weight.copy_(values);
            }
        }
    }

    private bool IsQuantized(string path, AdaptableModule module)
        => stored.ContainsKey(module) ? module != model.HeadModule : options.Quantization is { } quantization && ModelQuantization.KindOf(model, path, module, quantization) is not null;
}
