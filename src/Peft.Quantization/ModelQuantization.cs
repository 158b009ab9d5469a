using Peft.Modules;
using static TorchSharp.torch;

namespace Peft.Quantization;

/// <summary>Quantizes the weights of models in place.</summary>
public static class ModelQuantization
{
    // Heads of tasks, which are fully trained.
    private static readonly string[] Heads = ["lm_head", "embed_out", "score", "classifier", "pre_classifier", "qa_outputs", "cls", "classification_head", "vocab_transform", "vocab_projector"];

    /// <summary>
    /// Quantizes the linear modules of a model, one after another: each float weight is freed before the next is quantized. Heads, embeddings (except for
    /// <see cref="QuantizationOptions.Embeddings"/>), norms and biases stay as they are.
    /// </summary>
    /// <param name="model">A model whose linear modules are those of <see cref="Modules"/>, before it gets adapters.</param>
    /// <param name="options">The kind and its settings.</param>
    /// <returns>The model.</returns>
    /// <exception cref="QuantizationException">A weight has no quantized form, since it is not finite or out of range, or there is no weight to quantize. The model is then unchanged.</exception>
    /// <exception cref="ArgumentException">A setting is out of range. The model is then unchanged.</exception>
    /// <exception cref="PeftException">The model has adapters.</exception>
    public static T Quantize<T>(this T model, QuantizationOptions options) where T : nn.Module
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        if (PeftModel.Of(model) is not null) throw new PeftException($"This {model.GetType().Name} has adapters: quantize it before they are added.");
        if (options.Embeddings is not null && model is not IPretrainedModel { InputEmbeddings: Embedding })
            throw new QuantizationException($"This {model.GetType().Name} names no token embedding of the type {typeof(Embedding).FullName}: leave QuantizationOptions.Embeddings out. The model is unchanged.");
        var chosen = Choose(model, options);
        RequireForms(chosen);
        foreach (var (_, module, kind) in chosen) Store(module, kind);
        return model;
    }

    /// <summary>Requires that all weights that would be quantized have a quantized form.</summary>
    /// <exception cref="QuantizationException">A weight has none. The model is unchanged.</exception>
    internal static void RequireForms(nn.Module model, QuantizationOptions options) => RequireForms(Choose(model, options, required: false));

    /// <summary>The float weights that would be quantized, and how.</summary>
    internal static IEnumerable<(Tensor Weight, QuantizationOptions Kind)> QuantizableWeights(nn.Module model, QuantizationOptions options)
        => Choose(model, options, required: false).Select(each => ((Tensor)each.Module.Weight, each.Kind));

    /// <summary>Quantizes the float weights that there still are.</summary>
    internal static void QuantizeRest(nn.Module model, QuantizationOptions options)
    {
        foreach (var (_, module, kind) in Choose(model, options, required: false)) Store(module, kind);
    }

    private static void RequireForms(List<(string Path, AdaptableModule Module, QuantizationOptions Kind)> chosen)
    {
        foreach (var (path, module, kind) in chosen)
            if (kind.WhyNot(TensorRules.RequireAlive(module.Weight, path + ".weight")) is { } reason) throw new QuantizationException($"{path}.weight {reason}. The model is unchanged.");
    }

    /// <summary>Gives every quantized module its values as a float parameter again. The values stay those of the quantized weights.</summary>
    /// <param name="model">The model.</param>
    /// <returns>The model.</returns>
    /// <exception cref="PeftException">The model has adapters: <c>MergeAndUnload(dequantize: true)</c> is for those.</exception>
    public static T Dequantize<T>(this T model) where T : nn.Module
    {
        ArgumentNullException.ThrowIfNull(model);
        if (PeftModel.Of(model) is not null) throw new PeftException($"This {model.GetType().Name} has adapters: use MergeAndUnload(dequantize: true) to merge them, or Unload() first.");
        StoredWeights.Dequantize(model);
        return model;
    }

    /// <summary>Lets LLM.int8 weights round their inputs to 8 bits in evaluation, as bitsandbytes does, or not.</summary>
    /// <param name="model">The model.</param>
    /// <param name="threshold">Threshold from which columns of the input are multiplied in full precision; null for no rounding.</param>
    /// <returns>The model.</returns>
    public static T QuantizeInputs<T>(this T model, double? threshold = 6) where T : nn.Module
    {
        ArgumentNullException.ThrowIfNull(model);
        if (threshold is { } limit && !(limit >= 0 && double.IsFinite(limit))) throw new ArgumentOutOfRangeException(nameof(threshold), threshold, "The threshold must be at least 0.");
        foreach (var storage in model.QuantizedWeights().Values) storage.SetInputThreshold(threshold);
        return model;
    }

    /// <summary>The quantized weights of a model by the path of their module. A weight that modules share is listed once.</summary>
    public static IReadOnlyDictionary<string, QuantizedStorage> QuantizedWeights(this nn.Module model)
    {
        ArgumentNullException.ThrowIfNull(model);
        return model.named_modules().Where(pair => pair.module is AdaptableModule { IsStored: true, Storage: QuantizedStorage }).DistinctBy(pair => pair.module)
            .ToDictionary(pair => pair.name, pair => (QuantizedStorage)((AdaptableModule)pair.module).Storage);
    }

    /// <summary>True if a module is one to quantize: a linear module that is no head, shares no weight with an embedding and is not to be skipped.</summary>
    internal static bool IsQuantizable(nn.Module model, string path, nn.Module module) => IsQuantizable(model, path, module, []);

    /// <summary>How a module is to be quantized: as the linear modules are, as embeddings, or, if null, not at all.</summary>
    internal static QuantizationOptions? KindOf(nn.Module model, string path, nn.Module module, QuantizationOptions options)
        => IsQuantizable(model, path, module, options.SkipModules) ? options
            : options.Embeddings is { } kind && module is AdaptableModule own && IsEmbedding(model, own) && !IsSkipped(model, own, options.SkipModules) ? kind : null;

    /// <summary>True for the token embedding, and for a head with a row for each token.</summary>
    internal static bool IsEmbedding(nn.Module model, AdaptableModule module)
        => model is IPretrainedModel { InputEmbeddings: Embedding table } pretrained && (module == table || (module == pretrained.Head && module is Linear && module.Storage.Shape[0] == table.Storage.Shape[0]));

    // A module is skipped with those that share its weight.
    private static bool IsSkipped(nn.Module model, AdaptableModule module, IReadOnlyList<string> skipped)
        => skipped.Count > 0 && model.named_modules().Any(pair => pair.module is AdaptableModule other && ReferenceEquals(other.Storage.Identity, module.Storage.Identity) && skipped.Any(name => ModuleSelector.Means(name, pair.name)));

    private static bool IsQuantizable(nn.Module model, string path, nn.Module module, IReadOnlyList<string> skipped)
        => module is Linear or TransposedLinear && module != (model as IPretrainedModel)?.Head
           && !Heads.Any(head => path == head || path.StartsWith(head + ".", StringComparison.Ordinal) || path.EndsWith("." + head, StringComparison.Ordinal))
           && !skipped.Any(name => ModuleSelector.Means(name, path));

    /// <summary>Quantizes a module's float weight.</summary>
    internal static void Store(AdaptableModule module, QuantizationOptions options)
    {
        using var values = module.Storage.Read();
        Store(module, values, options);
    }

    /// <summary>Gives a module a weight, quantized.</summary>
    /// <param name="module">The module.</param>
    /// <param name="values">The values, in the module's shape.</param>
    /// <param name="options">The kind and its settings.</param>
    internal static void Store(AdaptableModule module, Tensor values, QuantizationOptions options)
    {
        var transposed = module is TransposedLinear;
        using var matrix = transposed ? values.t() : values.alias();
        module.Store(new QuantizedStorage(options.Quantize(matrix), transposed, values.dtype));
    }

    /// <summary>The modules to quantize, and how: the linear ones, then embeddings.</summary>
    private static List<(string Path, AdaptableModule Module, QuantizationOptions Kind)> Choose(nn.Module model, QuantizationOptions options, bool required = true)
    {
        var linear = Choose(model, options.SkipModules, required).Select(each => (each.Path, each.Module, options));
        var embeddings = model.named_modules().Where(pair => pair.module is AdaptableModule { IsTied: false, Storage.Parameter: not null } own && IsEmbedding(model, own) && KindOf(model, pair.name, own, options) is not null)
            .Select(pair => (pair.name, (AdaptableModule)pair.module, options.Embeddings!)).DistinctBy(each => each.Item2);
        return [.. linear, .. embeddings];
    }

    /// <summary>The linear modules to quantize: those with float weights of their own.</summary>
    /// <exception cref="QuantizationException">There are none, though at least one is required.</exception>
    internal static List<(string Path, AdaptableModule Module)> Choose(nn.Module model, IReadOnlyList<string> skipped, bool required = true)
    {
        foreach (var (path, module) in model.named_modules())
            if (module is AdaptableModule { Storage.Parameter: { } parameter }) TensorRules.RequireAlive(parameter, path + ".weight");
        var embeddings = model.named_modules().Select(pair => pair.module).OfType<Embedding>().Select(embedding => embedding.Storage.Identity).ToHashSet(ReferenceEqualityComparer.Instance);
        List<(string, AdaptableModule)> chosen = [.. model.named_modules().Where(pair => IsQuantizable(model, pair.name, pair.module, skipped))
            .Select(pair => (pair.name, Module: (AdaptableModule)pair.module)).Where(pair => pair.Module.Storage.Parameter is not null && !embeddings.Contains(pair.Module.Storage.Identity))
            .DistinctBy(pair => pair.Module.Storage.Identity, ReferenceEqualityComparer.Instance)];
        if (chosen.Count > 0) return chosen;
        if (!required) return [];
        var others = model.named_modules().Count(pair => pair.module is TorchSharp.Modules.Linear);
        throw new QuantizationException($"This {model.GetType().Name} has no weight to quantize{(others > 0 ? $": its {others} linear modules are TorchSharp's, which hold float weights only. Use {typeof(Linear).FullName} in their place" : " that is not skipped or quantized already")}.");
    }
}
