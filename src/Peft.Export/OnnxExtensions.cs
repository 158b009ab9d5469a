using Peft.Checkpoints;
using Peft.Export;
using Peft.Export.Onnx;
using Peft.Models;
using Peft.Modules;
using static TorchSharp.torch;

namespace Peft;

/// <summary>Exports to ONNX, which ONNX Runtime and others run.</summary>
public static class OnnxExtensions
{
    /// <summary>
    /// Writes a model to an ONNX file (opset 17, float32). Inputs are <c>input_ids</c> and <c>attention_mask</c>, for BERT <c>token_type_ids</c>, and for a <see cref="CausalLM"/> the keys and values of earlier
    /// positions, <c>past_key_values.N.key</c> and <c>.value</c> <c>[batch, heads, past, size]</c>. Outputs are <c>logits</c> and <c>present.N.key</c> and <c>.value</c>; of a <see cref="FeatureExtractor"/>
    /// <c>last_hidden_state</c> and <c>sentence_embedding</c> (its mean over the real tokens). Crash-safe.
    /// </summary>
    /// <param name="model">The model: a <see cref="CausalLM"/>, <see cref="FeatureExtractor"/>, <see cref="SequenceClassifier"/>, <see cref="TokenClassifier"/> or <see cref="QuestionAnswerer"/> of any architecture but T5.</param>
    /// <param name="path">The file.</param>
    /// <param name="maxBytes">Maximum number of bytes of weights inside the file. More are in the file <c>path.data</c> next to it.</param>
    /// <exception cref="ExportException">The model has something that is not exported. The message says what. Nothing was written.</exception>
    /// <exception cref="AdaptersAttachedException">The model has adapters: merge them, or export with adapters as inputs, from the <see cref="PeftModel"/>.</exception>
    /// <exception cref="CheckpointException">A file could not be written.</exception>
    public static void SaveOnnx(this PretrainedModel model, string path, long maxBytes = 1 << 30)
    {
        ArgumentNullException.ThrowIfNull(model);
        model.RequireAlive();
        if (PeftModel.Of(model) is { Adapters.Count: > 0 } peft) throw new AdaptersAttachedException(peft);
        Write(model, [], path, maxBytes);
    }

    /// <summary>
    /// Writes the base model to an ONNX file whose adapters are inputs: for each module that an adapter of the model changes, <c>MODULE.lora_A.weight</c> <c>[in, rank]</c> and
    /// <c>MODULE.lora_B.weight</c> <c>[rank, out]</c>; for a fully trained module, such as a classifier's head, its <c>weight</c> and <c>bias</c>. They may be left out; then the result is the base model's. <see cref="SaveOnnxAdapter"/> writes the values.
    /// </summary>
    /// <param name="peft">The model with its adapters.</param>
    /// <param name="path">The file.</param>
    /// <param name="maxBytes">Maximum number of bytes of weights inside the file. More are in the file <c>path.data</c> next to it.</param>
    /// <exception cref="ExportException">The model or an adapter has something that is not exported. The message says what. Nothing was written.</exception>
    /// <exception cref="CheckpointException">A file could not be written.</exception>
    public static void SaveOnnx(this PeftModel peft, string path, long maxBytes = 1 << 30)
    {
        ArgumentNullException.ThrowIfNull(peft);
        var model = ExportedAdapter.Model(peft);
        if (peft.Adapters.Values.SelectMany(Problems).Distinct().ToArray() is { Length: > 0 } problems) throw new ExportException(path ?? "", problems);
        Write(model, [.. peft.Adapters.Values.SelectMany(adapter => adapter.Layers)], path!, maxBytes);
    }

    /// <summary>Writes an adapter to an <c>.onnx_adapter</c> file, which ONNX Runtime applies to the graph of <see cref="SaveOnnx(PeftModel, string, long)"/> (<c>OrtLoraAdapter.Create</c>). Every method whose updates are products of two factors can be written. Crash-safe.</summary>
    /// <param name="peft">The model with the adapter.</param>
    /// <param name="path">The file.</param>
    /// <param name="adapter">Name of the adapter; null for the active one.</param>
    /// <exception cref="ExportException">The adapter has something that is not exported. The message says what. Nothing was written.</exception>
    /// <exception cref="AdapterNotFoundException">There is no such adapter.</exception>
    /// <exception cref="CheckpointException">The file could not be written.</exception>
    public static void SaveOnnxAdapter(this PeftModel peft, string path, string? adapter = null)
    {
        ArgumentNullException.ThrowIfNull(peft);
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        var model = ExportedAdapter.Model(peft);
        var found = ExportedAdapter.Find(peft, adapter);
        if (Problems(found).ToArray() is { Length: > 0 } problems) throw new ExportException(path, problems);
        using var scope = NewDisposeScope();
        using var gradients = no_grad();
        var tensors = new Dictionary<string, Tensor>();
        foreach (var (target, update) in LowRankUpdates.Of(found))
        {
            tensors[$"{target.Path}.lora_A.weight"] = update.A.t();
            tensors[$"{target.Path}.lora_B.weight"] = update.B.t().mul(Constant(update.Scale));
        }
        foreach (var layer in found.Layers.OfType<FullLayer>())
        {
            var own = layer.Merge(new(layer.Target.ReadMatrix(), layer.Target.Bias))!;
            tensors[layer.Target.Path + ".weight"] = layer.Target.IsMatrix ? own.Weight.t() : layer.Target.Module is RmsNorm ? own.Weight.add(Constant(model.Spec.NormOffset), One) : own.Weight;
            if (own.Bias is not null) tensors[layer.Target.Path + ".bias"] = own.Bias;
        }
        OnnxAdapterFile.Write(path, tensors);
    }

    internal static IEnumerable<string> Problems(Adapter adapter) => LowRankUpdates.Problems(adapter, takesWhole: true);

    private static void Write(PretrainedModel model, IReadOnlyList<AdapterLayer> layers, string path, long maxBytes)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        ArgumentOutOfRangeException.ThrowIfNegative(maxBytes);
        if (OnnxTransformer.Problems(model).ToArray() is { Length: > 0 } problems) throw new ExportException(path, problems);
        OnnxModelFile.Write(OnnxTransformer.Build(model, new(layers)), path, maxBytes);
    }
}
