using Peft.Modules;
using Peft.Quantization;
using Peft.Quantization.Gguf;
using static TorchSharp.torch;

namespace Peft.Models.Gguf;

/// <summary>Loads a model's weights from a GGUF file. Weights of linear modules, of the token embedding and of the head stay in their blocks; floats become parameters.</summary>
internal static class GgufLoading
{
    /// <summary>Opens a model.</summary>
    public static T Open<T>(string path, LoadOptions options, Func<ModelConfig, LoadOptions, T> create) where T : PretrainedModel
    {
        using var file = GgufFile.Open(path);
        options.Quantization?.Validate();
        var config = GgufConfig.Of(file).Within(options.Limits).WithTask(options);
        var stored = options.Quantization?.BitsPerValue ?? (file.Header.Tensors.Keys.Any(name => name.StartsWith("blk.", StringComparison.Ordinal) && !file.TypeOf(name).IsFloat) ? 4 : null);
        options = options with { StoredBits = stored };
        var model = create(config, options);
        try
        {
            Load(model, file, options);
            model.eval();
            return model;
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    private static void Load(PretrainedModel model, GgufFile file, LoadOptions options)
    {
        using var gradients = no_grad();
        using var scope = NewDisposeScope();
        var names = new GgufNames(model);
        var missing = new List<string>();
        var mismatched = new List<string>();
        var used = new HashSet<string>(StringComparer.Ordinal) { "output.weight", "rope_freqs.weight", "rope_factors_short.weight", "rope_factors_long.weight" };
        var plan = new List<(string Path, AdaptableModule Module, bool IsBias, string Tensor)>();
        foreach (var (path, module) in model.named_modules().Where(pair => pair.module is AdaptableModule).DistinctBy(pair => pair.module).Select(pair => (pair.name, (AdaptableModule)pair.module)).ToList())
        {
            if (!model.TiedParameters.Contains(path + ".weight")) Plan(path, module, false, module.Storage.Shape);
            if (module.Bias is { } bias) Plan(path, module, true, bias.shape);
        }
        string[] unexpected = [.. file.Header.Tensors.Keys.Where(name => !used.Contains(name)).Order(StringComparer.Ordinal)];
        if (missing.Count + mismatched.Count + unexpected.Length > 0) throw new CheckpointMismatchException(file.Header.Path, missing, unexpected, mismatched);
        foreach (var (path, module, isBias, tensor) in plan)
        {
            using var each = NewDisposeScope();
            if (isBias) ReadBias(model, file, options, module, tensor);
            else ReadWeight(model, file, options, path, module, tensor);
        }

        void Plan(string path, AdaptableModule module, bool isBias, IReadOnlyList<long> shape)
        {
            var name = names.Of(path, isBias ? "bias" : "weight");
            if (name is null || !file.Header.Tensors.TryGetValue(name, out var tensor))
            {
                missing.Add(name ?? path);
                return;
            }
            used.Add(name);
            _ = file.TypeOf(name);   // throws for types that cannot be read, before anything is read
            var wanted = module is TransposedLinear && !isBias ? shape.Reverse() : shape;
            if (tensor.Shape.SequenceEqual(wanted)) plan.Add((path, module, isBias, name));
            else mismatched.Add($"{name} is [{string.Join(", ", tensor.Shape)}] in the file, [{string.Join(", ", wanted)}] in the model");
        }
    }

    private static void ReadBias(PretrainedModel model, GgufFile file, LoadOptions options, AdaptableModule module, string tensor)
    {
        var at = options.Placement;
        var values = file.Read(tensor, at.Device);
        if (GgufRows.Order(model, tensor, values.size(0)) is { } order) values = values.index_select(0, order.to(at.Device));
        if (module.Bias!.is_meta) module.ReplaceBias(values.to_type(at.Type).DetachFromDisposeScope());
        else module.Bias.copy_(values);
    }

    private static void ReadWeight(PretrainedModel model, GgufFile file, LoadOptions options, string path, AdaptableModule module, string tensor)
    {
        var at = options.Placement;
        var (type, shape) = (file.TypeOf(tensor), file.Header.Tensors[tensor].Shape);
        var order = GgufRows.Order(model, tensor, shape[0])?.to(at.Device);
        if (!type.IsFloat && (ModelQuantization.IsQuantizable(model, path, module) || ModelQuantization.IsEmbedding(model, module)))
        {
            if (options.Quantization is not null) throw new QuantizationException($"{file.Header.Path}: the weights are already quantized ({type}): omit LoadOptions.Quantization.");
            var bytes = file.ReadBytes(tensor, at.Device);
            if (order is not null) bytes = bytes.index_select(0, order);
            module.Store(new QuantizedStorage(new GgufMatrix(bytes, shape[^1], type), module is TransposedLinear, at.Type));
            return;
        }
        var values = file.Read(tensor, at.Device);
        if (order is not null) values = values.index_select(0, order);
        // The converter adds 1 to norms that store w − 1.
        if (module is RmsNorm && model.Spec.NormOffset != 0) values = values.sub(Constant(model.Spec.NormOffset));
        if (module is TransposedLinear) values = values.t();
        values = values.to_type(at.Type);
        if (options.Quantization is { } quantization && ModelQuantization.KindOf(model, path, module, quantization) is { } kind) ModelQuantization.Store(module, values, kind);
        else if (module.Weight.is_meta) module.Replace(values.contiguous().DetachFromDisposeScope());
        else module.Weight.copy_(values);
    }
}
