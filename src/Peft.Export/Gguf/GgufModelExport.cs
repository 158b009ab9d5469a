using Peft.Gguf;
using Peft.Models;
using Peft.Models.Gguf;
using Peft.Modules;
using Peft.Quantization.Gguf;
using Peft.Tokenizers.Gguf;
using static TorchSharp.torch;

namespace Peft.Export.Gguf;

/// <summary>Writes a model to a GGUF file, tensor by tensor.</summary>
internal static class GgufModelExport
{
    public static void Write(PretrainedModel model, string path, GgufWeights weights, Tokenizer? tokenizer, string? name)
    {
        if (GgufArchitecture.Problems(model).ToArray() is { Length: > 0 } problems) throw new ExportException(path, problems);
        var writer = new GgufWriter();
        writer.Add("general.architecture", GgufArchitecture.NameOf(model)!);
        writer.Add("general.type", "model");
        writer.Add("general.name", name ?? Path.GetFileNameWithoutExtension(path));
        writer.Add("general.file_type", weights switch { GgufWeights.F32 => 0u, GgufWeights.F16 => 1u, GgufWeights.Q8_0 => 7u, _ => 14u });
        writer.Add("general.quantization_version", 2u);
        foreach (var (key, value) in GgufArchitecture.Metadata(model)) writer.Add(key, value);
        if (tokenizer is not null)
            foreach (var (key, value) in GgufVocabulary.Of(tokenizer, model.Spec.VocabularySize)) writer.Add(key, value);
        foreach (var (tensor, factors) in GgufArchitecture.RotaryFactors(model))
            writer.AddTensor(tensor, [factors.Length], 0, factors.Length * sizeof(float), stream => stream.Write(System.Runtime.InteropServices.MemoryMarshal.AsBytes(factors.AsSpan())));
        AddWeights(writer, model, weights);
        writer.Write(path);
    }

    private static void AddWeights(GgufWriter writer, PretrainedModel model, GgufWeights weights)
    {
        var names = new GgufNames(model);
        var written = new HashSet<string>(StringComparer.Ordinal);
        foreach (var (path, module) in model.named_modules().Where(pair => pair.module is AdaptableModule).DistinctBy(pair => pair.module).Select(pair => (pair.name, (AdaptableModule)pair.module)))
        {
            if (!model.TiedParameters.Contains(path + ".weight")) Add(path, "weight", module, module.Storage.Shape);
            if (module.Bias is { } bias) Add(path, "bias", module, bias.shape);
        }

        void Add(string path, string parameter, AdaptableModule module, IReadOnlyList<long> stored)
        {
            var tensor = names.Of(path, parameter) ?? throw new ExportException($"{path}.{parameter} cannot be exported: GGUF has no name for it.");
            if (!written.Add(tensor)) return;
            long[] shape = [.. module is TransposedLinear && parameter == "weight" ? stored.Reverse() : stored];
            var type = TypeOf(tensor, shape, weights);
            writer.AddTensor(tensor, shape, type.Id, shape.Aggregate(1L, (a, b) => a * b) / type.BlockSize * type.BlockBytes, stream =>
            {
                using var scope = NewDisposeScope();
                using var gradients = no_grad();
                stream.Write(GgufQuantizer.Quantize(Values(model, module, tensor, parameter).contiguous(), type));
            });
        }
    }

    // In the layout and order of rows that llama.cpp has, in float32 on the CPU.
    private static Tensor Values(PretrainedModel model, AdaptableModule module, string tensor, string parameter)
    {
        var values = (parameter == "bias" ? module.Bias!.detach() : module.Storage.Read()).cpu().to_type(ScalarType.Float32);
        if (parameter == "weight" && module is TransposedLinear) values = values.t();
        if (module is RmsNorm && model.Spec.NormOffset != 0) values = values.add(Constant(model.Spec.NormOffset), One);
        return Reordered(model, tensor, values);
    }

    /// <summary>The rows in the order of the file.</summary>
    public static Tensor Reordered(PretrainedModel model, string tensor, Tensor values)
        => GgufRows.Order(model, tensor, values.size(0)) is { } order ? values.index_select(0, order.argsort()) : values;

    // llama.cpp wants norms, biases and position embeddings in float32.
    private static GgufType TypeOf(string tensor, long[] shape, GgufWeights weights)
    {
        var isLookup = tensor is "token_embd.weight" or "output.weight";
        var wanted = shape.Length < 2 || tensor.StartsWith("position_embd", StringComparison.Ordinal) ? "F32" : weights switch
        {
            GgufWeights.F32 => "F32",
            GgufWeights.F16 => "F16",
            GgufWeights.Q8_0 => "Q8_0",
            _ => isLookup ? "Q6_K" : "Q4_K",
        };
        return GgufQuantizer.Fitting(GgufType.All.Single(each => each.Name == wanted), shape[^1]);
    }
}
