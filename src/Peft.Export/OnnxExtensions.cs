using Peft.Checkpoints;
using Peft.Export;
using Peft.Export.Onnx;
using Peft.Models;

namespace Peft;

/// <summary>Exports to ONNX, which ONNX Runtime and others run.</summary>
public static class OnnxExtensions
{
    /// <summary>
    /// Writes a model to an ONNX file (opset 17). Inputs are <c>input_ids</c> and <c>attention_mask</c>, for BERT <c>token_type_ids</c>, and for a <see cref="CausalLM"/> the keys and values of earlier
    /// positions, <c>past_key_values.N.key</c> and <c>.value</c> <c>[batch, heads, past, size]</c>. Outputs are <c>logits</c> and <c>present.N.key</c> and <c>.value</c>; of a <see cref="FeatureExtractor"/>
    /// <c>last_hidden_state</c> and <c>sentence_embedding</c> (its mean over the real tokens); of a <see cref="QuestionAnswerer"/> <c>start_logits</c> and <c>end_logits</c>. Crash-safe.
    /// </summary>
    /// <remarks>
    /// A <see cref="Seq2SeqLM"/> becomes two graphs in a folder. <c>encoder_model.onnx</c> returns <c>last_hidden_state</c> and the keys and values that the decoder's layers read from it, <c>present.N.encoder.key</c>
    /// and <c>.value</c>. <c>decoder_with_past_model.onnx</c> takes them as <c>past_key_values.N.encoder.key</c> and <c>.value</c>, with <c>encoder_attention_mask</c>, and <c>input_ids</c> after
    /// <c>past_key_values.N.decoder.key</c> and <c>.value</c>; it returns <c>logits</c> and <c>present.N.decoder.key</c> and <c>.value</c>.
    /// </remarks>
    /// <param name="model">The model.</param>
    /// <param name="path">The file; for a <see cref="Seq2SeqLM"/> the folder.</param>
    /// <param name="maxBytes">Maximum number of bytes of weights inside a file. More are in a file with <c>.data</c> after its name.</param>
    /// <param name="options">The dtype; float32 if null.</param>
    /// <exception cref="ExportException">The model has something that is not exported. The message says what. Nothing was written.</exception>
    /// <exception cref="AdaptersAttachedException">The model has adapters: merge them, or export with adapters as inputs, from the <see cref="PeftModel"/>.</exception>
    /// <exception cref="CheckpointException">A file could not be written.</exception>
    public static void SaveOnnx(this PretrainedModel model, string path, long maxBytes = 1 << 30, ExportOptions? options = null)
    {
        RequirePlain(model);
        Write(model, [], path, maxBytes, options);
    }

    /// <summary>
    /// Writes the base model to an ONNX file whose adapters are inputs: for each module that an adapter of the model changes, <c>MODULE.lora_A.weight</c> <c>[in, rank]</c> and
    /// <c>MODULE.lora_B.weight</c> <c>[rank, out]</c>; for a fully trained module, such as a classifier's head, its <c>weight</c> and <c>bias</c>. They may be left out; then the result is the base model's. <see cref="SaveOnnxAdapter"/> writes the values.
    /// </summary>
    /// <param name="peft">The model with its adapters.</param>
    /// <param name="path">The file; for a <see cref="Seq2SeqLM"/> the folder.</param>
    /// <param name="maxBytes">Maximum number of bytes of weights inside a file. More are in a file with <c>.data</c> after its name.</param>
    /// <param name="options">The dtype, also of the adapters; float32 if null.</param>
    /// <exception cref="ExportException">The model or an adapter has something that is not exported. The message says what. Nothing was written.</exception>
    /// <exception cref="CheckpointException">A file could not be written.</exception>
    public static void SaveOnnx(this PeftModel peft, string path, long maxBytes = 1 << 30, ExportOptions? options = null)
    {
        var model = WithInputs(peft, path);
        Write(model, Layers(peft), path, maxBytes, options);
    }

    /// <summary>
    /// Writes an adapter to an <c>.onnx_adapter</c> file, which ONNX Runtime applies to the graph of <see cref="SaveOnnx(PeftModel, string, long, ExportOptions)"/> (<c>OrtLoraAdapter.Create</c>). Every method whose updates are
    /// products of two factors can be written. Crash-safe.
    /// </summary>
    /// <param name="peft">The model with the adapter.</param>
    /// <param name="path">The file; for a <see cref="Seq2SeqLM"/> the folder, which gets <c>encoder_model.onnx_adapter</c> and <c>decoder_with_past_model.onnx_adapter</c>.</param>
    /// <param name="adapter">Name of the adapter; null for the active one.</param>
    /// <param name="options">The dtype, which must be that of the graph; float32 if null.</param>
    /// <exception cref="ExportException">The adapter has something that is not exported. The message says what. Nothing was written.</exception>
    /// <exception cref="AdapterNotFoundException">There is no such adapter.</exception>
    /// <exception cref="CheckpointException">The file could not be written.</exception>
    public static void SaveOnnxAdapter(this PeftModel peft, string path, string? adapter = null, ExportOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(peft);
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        var model = ExportedAdapter.Model(peft);
        var found = ExportedAdapter.Find(peft, adapter);
        var dtype = OnnxValues.Dtype(options);
        if (Problems(found).Concat(OnnxModels.Problems(model, dtype)).ToArray() is { Length: > 0 } problems) throw new ExportException(path, problems);
        if (model is not Seq2SeqLM pair) OnnxAdapterFile.Write(path, found, model, dtype, _ => true);
        else
            AtomicFolder.Write(path, staging =>
            {
                OnnxAdapterFile.Write(Path.Combine(staging, OnnxModels.EncoderFile + OnnxAdapterFile.Extension), found, model, dtype, module => OnnxModels.IsInEncoder(pair, module));
                OnnxAdapterFile.Write(Path.Combine(staging, OnnxModels.DecoderFile + OnnxAdapterFile.Extension), found, model, dtype, module => OnnxModels.IsInDecoder(pair, module));
            });
    }

    /// <summary>
    /// Writes a model for ONNX Runtime GenAI: <c>model.onnx</c> as <see cref="SaveOnnx(PretrainedModel, string, long, ExportOptions)"/> does, <c>genai_config.json</c> with the names of its inputs and outputs and the model's
    /// settings of generation, and the tokenizer. Crash-safe.
    /// </summary>
    /// <param name="model">The model.</param>
    /// <param name="folder">The folder. Other files in it are kept.</param>
    /// <param name="tokenizer">The tokenizer, with its chat template; null to leave it out.</param>
    /// <param name="options">The dtype; float32 if null.</param>
    /// <exception cref="ExportException">The model has something that is not exported. The message says what. Nothing was written.</exception>
    /// <exception cref="AdaptersAttachedException">The model has adapters: merge them, or export with adapters as inputs, from the <see cref="PeftModel"/>.</exception>
    /// <exception cref="CheckpointException">A file could not be written.</exception>
    public static void SaveOnnxGenAI(this CausalLM model, string folder, Tokenizer? tokenizer, ExportOptions? options = null)
    {
        RequirePlain(model);
        OnnxGenAI.Write(model, new([]), folder, tokenizer, OnnxValues.Dtype(options));
    }

    /// <summary>
    /// Writes the base model for ONNX Runtime GenAI, as <see cref="SaveOnnxGenAI(CausalLM, string, Tokenizer, ExportOptions)"/> does, with adapters as inputs of its graph (<see cref="SaveOnnx(PeftModel, string, long, ExportOptions)"/>), and
    /// each adapter of the model as <c>NAME.onnx_adapter</c> (<c>Adapters.LoadAdapter</c>).
    /// </summary>
    /// <param name="peft">The model with its adapters.</param>
    /// <param name="folder">The folder. Other files in it are kept.</param>
    /// <param name="tokenizer">The tokenizer, with its chat template; null to leave it out.</param>
    /// <param name="options">The dtype; float32 if null.</param>
    /// <exception cref="ExportException">The model or an adapter has something that is not exported. The message says what. Nothing was written.</exception>
    /// <exception cref="CheckpointException">A file could not be written.</exception>
    public static void SaveOnnxGenAI(this PeftModel peft, string folder, Tokenizer? tokenizer, ExportOptions? options = null)
    {
        var model = WithInputs(peft, folder) as CausalLM ?? throw new ExportException($"A {peft.Module.GetType().Name} cannot be exported for ONNX Runtime GenAI, which runs decoders: export a CausalLM.");
        OnnxGenAI.Write(model, new(Layers(peft)), folder, tokenizer, OnnxValues.Dtype(options), [.. peft.Adapters.Values]);
    }

    internal static IEnumerable<string> Problems(Adapter adapter) => LowRankUpdates.Problems(adapter, takesWhole: true);

    private static void RequirePlain(PretrainedModel model)
    {
        ArgumentNullException.ThrowIfNull(model);
        model.RequireAlive();
        if (PeftModel.Of(model) is { Adapters.Count: > 0 } peft) throw new AdaptersAttachedException(peft);
    }

    private static PretrainedModel WithInputs(PeftModel peft, string path)
    {
        ArgumentNullException.ThrowIfNull(peft);
        var model = ExportedAdapter.Model(peft);
        return peft.Adapters.Values.SelectMany(Problems).Distinct().ToArray() is { Length: > 0 } problems ? throw new ExportException(path, problems) : model;
    }

    private static AdapterLayer[] Layers(PeftModel peft) => [.. peft.Adapters.Values.SelectMany(adapter => adapter.Layers)];

    private static void Write(PretrainedModel model, IReadOnlyList<AdapterLayer> layers, string path, long maxBytes, ExportOptions? options)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        ArgumentOutOfRangeException.ThrowIfNegative(maxBytes);
        var (inputs, dtype) = (new OnnxInputs(layers), OnnxValues.Dtype(options));
        OnnxModels.Require(model, dtype, path);
        if (model is not Seq2SeqLM pair) OnnxModelFile.Write(OnnxModels.Build(model, inputs, dtype), path, maxBytes);
        else
            AtomicFolder.Write(path, staging =>
            {
                OnnxModelFile.WriteInto(staging, OnnxModels.EncoderFile + ".onnx", OnnxModels.BuildEncoder(pair, inputs, dtype), maxBytes);
                OnnxModelFile.WriteInto(staging, OnnxModels.DecoderFile + ".onnx", OnnxModels.BuildDecoder(pair, inputs, dtype), maxBytes);
            });
    }
}
