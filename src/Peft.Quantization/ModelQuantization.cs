using Peft.Modules;
using static TorchSharp.torch;

namespace Peft.Quantization;

/// <summary>Quantizes the weights of models in place.</summary>
public static class ModelQuantization
{
    // Heads of tasks, which are trained whole.
    private static readonly string[] Heads = ["lm_head", "embed_out", "score", "classifier", "pre_classifier", "qa_outputs", "cls", "classification_head", "vocab_transform", "vocab_projector"];

    /// <summary>
    /// Quantizes the linear modules of a model, one after another: each float weight is freed before the next is quantized. Heads, embeddings, norms and biases
    /// stay as they are.
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
        var chosen = Choose(model, options.SkipModules);
        RequireForms(chosen, options);
        foreach (var (_, module) in chosen) Store(module, options);
        return model;
    }

    /// <summary>Requires that all weights that would be quantized have a quantized form.</summary>
    /// <exception cref="QuantizationException">A weight has none. The model is unchanged.</exception>
    internal static void RequireForms(nn.Module model, QuantizationOptions options) => RequireForms(Choose(model, options.SkipModules, required: false), options);

    /// <summary>The float weights that would be quantized.</summary>
    internal static IEnumerable<Tensor> QuantizableWeights(nn.Module model, QuantizationOptions options) => Choose(model, options.SkipModules, required: false).Select(each => (Tensor)each.Module.Weight);

    /// <summary>Quantizes the float weights that there still are.</summary>
    internal static void QuantizeRest(nn.Module model, QuantizationOptions options)
    {
        foreach (var (_, module) in Choose(model, options.SkipModules, required: false)) Store(module, options);
    }

    private static void RequireForms(List<(string Path, AdaptableModule Module)> chosen, QuantizationOptions options)
    {
        foreach (var (path, module) in chosen)
            if (options.WhyNot(TensorRules.RequireAlive(module.Weight, path + ".weight")) is { } reason) throw new QuantizationException($"{path}.weight {reason}. The model is unchanged.");
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
    /// <param name="threshold">From which size on columns of the input are multiplied in full precision; null for no rounding.</param>
    /// <returns>The model.</returns>
    public static T QuantizeInputs<T>(this T model, double? threshold = 6) where T : nn.Module
    {
        ArgumentNullException.ThrowIfNull(model);
        if (threshold is { } limit && !(limit >= 0 && double.IsFinite(limit))) throw new ArgumentOutOfRangeException(nameof(threshold), threshold, "The threshold must be at least 0.");
        foreach (var storage in model.QuantizedWeights().Values) storage.SetInputThreshold(threshold);
        return model;
    }

    /// <summary>The quantized weights of a model by the path of their module.</summary>
    public static IReadOnlyDictionary<string, QuantizedStorage> QuantizedWeights(this nn.Module model)
    {
        ArgumentNullException.ThrowIfNull(model);
        return model.named_modules().Where(pair => pair.module is AdaptableModule { Storage: QuantizedStorage }).DistinctBy(pair => pair.module)
            .ToDictionary(pair => pair.name, pair => (QuantizedStorage)((AdaptableModule)pair.module).Storage);
    }

    /// <summary>True if a module is one to quantize: a linear module that is no head, shares no weight with an embedding and is not to be skipped.</summary>
    internal static bool IsQuantizable(nn.Module model, string path, nn.Module module, QuantizationOptions? options) => IsQuantizable(model, path, module, options?.SkipModules ?? []);

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

    /// <summary>The modules to quantize: those with float weights of their own.</summary>
    /// <exception cref="QuantizationException">There are none, though at least one is required.</exception>
    internal static List<(string Path, AdaptableModule Module)> Choose(nn.Module model, IReadOnlyList<string> skipped, bool required = true)
    {
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
