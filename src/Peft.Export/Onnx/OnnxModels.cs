using Onnx;
using Peft.Models;
using static TorchSharp.torch;

namespace Peft.Export.Onnx;

/// <summary>The graphs of a model: one, or those of the encoder and the decoder of a model that generates with both.</summary>
internal static class OnnxModels
{
    /// <summary>File names of the encoder's and the decoder's graphs, as Optimum has them, without their extension.</summary>
    public const string EncoderFile = "encoder_model", DecoderFile = "decoder_with_past_model";

    /// <summary>The parts of a model that cannot be exported.</summary>
    public static IEnumerable<string> Problems(PretrainedModel model, ScalarType dtype)
    {
        if (dtype == ScalarType.Float16 && model.Spec.RelativePositions is not null) yield return "T5's hidden states exceed the numbers of float16: export it in float32.";
        if (Unwritten(model.Spec) is { } feature) yield return $"{feature} of model_type '{model.Config.ModelType}' is not written to ONNX graphs.";
        if (model is SequenceClassifier && model.Spec.Encoder is not null && model.Config.Ids("eos_token_id") is []) yield return $"{model.Config.Source} has no eos_token_id, which marks the state to classify.";
    }

    private static string? Unwritten(TransformerSpec spec) => spec switch
    {
        { NormsOutputsOnly: true } => "The placement of the norms",
        { SharedNorm: true } => "The norm that attention and feed-forward network share",
        { Norm: NormKind.Layer, NormBias: false } or { Norm: NormKind.Layer, NormOffset: not 0 } => "The layer norm",
        { QueryKeyNorm: HeadNorm.Whole or HeadNorm.AfterRotary } => "The norm of queries and keys",
        { AttentionProjections: ProjectionLayout.JoinedPerGroup } => "The layout of the joined projection",
        { ResidualScale: not 1 } => "The factor of the residual branches",
        { Alibi: not null } => "The linear bias of attention scores",
        { Rotary.IsInterleaved: true } => "The interleaved rotary embedding",
        { RotaryLayers.Count: > 0 } => "The choice of layers with rotary embeddings",
        { HeadBias: true } => "The bias of the head",
        { RelativePositions.PerLayer: true } => "The bias of relative positions in each layer",
        { RelativePositions: not null, Encoder: null } => "The bias of relative positions",
        { Encoder: not null, RelativePositions: null } => "The learned positions of encoder and decoder",
        { Disentangled: not null } => "The attention to relative positions",
        { SharedLayers.Count: > 0 } => "The sharing of layers",
        { SkipsFirstNorm: true } => "The first layer without a norm",
        { EmbeddingSize: not null } => "The projection of the embeddings",
        _ => null,
    };

    /// <exception cref="ExportException">The model cannot be exported.</exception>
    public static void Require(PretrainedModel model, ScalarType dtype, string path)
    {
        if (Problems(model, dtype).ToArray() is { Length: > 0 } problems) throw new ExportException(path, problems);
    }

    /// <summary>The graph of a model that is a single one.</summary>
    /// <param name="model">The model.</param>
    /// <param name="inputs">Modules whose adapters are inputs.</param>
    /// <param name="dtype">Dtype of weights and hidden states.</param>
    public static ModelProto Build(PretrainedModel model, OnnxInputs inputs, ScalarType dtype)
    {
        var (graph, modules) = Start(model, inputs, dtype);
        var (spec, ids) = (model.Spec, graph.Integers("input_ids", "batch", "sequence"));
        var caches = model is CausalLM;
        var mask = graph.Integers("attention_mask", "batch", caches ? "total" : "sequence");
        var types = spec.TokenTypeCount > 0 ? graph.Integers("token_type_ids", "batch", "sequence") : null;
        if (caches) OnnxCacheNames.AddInputs(graph, spec, "past");
        var embedded = Lookup(modules, model, ids);
        if (spec.Encoder is { } encoder)
        {
            var encoded = Encode(graph, modules, model, encoder, ids, mask, embedded);
            var shifted = Shifted(graph, model, ids);
            var sequence = new OnnxSequence(graph, spec, shifted, mask: null, graph.Size(shifted, 1));
            var decoder = new OnnxStack(graph, modules, spec, Prefix(model, spec), sequence)
            {
                Encoder = (layer => OnnxAttention.Source(graph, modules, spec, LayerPath(model, layer), encoded), OnnxSequence.Bias(graph, mask)),
            };
            new OnnxHead(graph, modules, model, ids, mask, sequence.ZeroTo).Add(decoder.Run(Lookup(modules, model, shifted), null));
        }
        else
        {
            var sequence = new OnnxSequence(graph, spec, ids, mask, graph.Size(mask, 1));
            var stack = new OnnxStack(graph, modules, spec, model.BasePrefix, sequence, caches ? layer => OnnxCacheNames.Of(layer) : null);
            new OnnxHead(graph, modules, model, ids, mask, sequence.ZeroTo).Add(stack.Run(embedded, types));
        }
        return graph.ToModel();
    }

    /// <summary>The encoder of a model, with the keys and values that every layer of the decoder reads from its output.</summary>
    public static ModelProto BuildEncoder(Seq2SeqLM model, OnnxInputs inputs, ScalarType dtype)
    {
        var (graph, modules) = Start(model, inputs, dtype);
        var (ids, mask) = (graph.Integers("input_ids", "batch", "source"), graph.Integers("attention_mask", "batch", "source"));
        var encoded = Encode(graph, modules, model, model.Spec.Encoder!, ids, mask, Lookup(modules, model, ids));
        graph.Output(encoded, "last_hidden_state", "batch", "source", model.Spec.HiddenSize);
        for (var layer = 0; layer < model.Spec.LayerCount; layer++)
        {
            var (key, value) = OnnxAttention.Source(graph, modules, model.Spec, LayerPath(model, layer), encoded);
            foreach (var (values, kind) in new[] { (key, "key"), (value, "value") }) graph.Output(values, OnnxCacheNames.Of(layer, "encoder.").Present + kind, "batch", model.Spec.KeyValueHeadCount, "source", model.Spec.HeadSize);
        }
        return graph.ToModel();
    }

    /// <summary>The decoder of a model, which reads the encoder's keys and values and those of its own earlier positions.</summary>
    public static ModelProto BuildDecoder(Seq2SeqLM model, OnnxInputs inputs, ScalarType dtype)
    {
        var (graph, modules) = Start(model, inputs, dtype);
        var spec = model.Spec;
        var (ids, mask) = (graph.Integers("input_ids", "batch", "sequence"), graph.Integers("encoder_attention_mask", "batch", "source"));
        OnnxCacheNames.AddInputs(graph, spec, "past", "decoder.");
        OnnxCacheNames.AddInputs(graph, spec, "source", "encoder.");
        var total = graph.Add("Add", [graph.Size(OnnxCacheNames.Of(0, "decoder.").Past + "key", 2), graph.Size(ids, 1)]);
        var sequence = new OnnxSequence(graph, spec, ids, mask: null, total);
        var stack = new OnnxStack(graph, modules, spec, Prefix(model, spec), sequence, layer => OnnxCacheNames.Of(layer, "decoder."))
        {
            Encoder = (layer => (OnnxCacheNames.Of(layer, "encoder.").Past + "key", OnnxCacheNames.Of(layer, "encoder.").Past + "value"), OnnxSequence.Bias(graph, mask)),
        };
        new OnnxHead(graph, modules, model, ids, mask: null, sequence.ZeroTo).Add(stack.Run(Lookup(modules, model, ids), null));
        return graph.ToModel();
    }

    /// <summary>True if a module is in the encoder's graph.</summary>
    public static bool IsInEncoder(Seq2SeqLM model, string path)
        => path == Embedding(model) || path.StartsWith(Prefix(model, model.Spec.Encoder!), StringComparison.Ordinal) || ReadsEncoder(model, path);

    /// <summary>True if a module is in the decoder's graph.</summary>
    public static bool IsInDecoder(Seq2SeqLM model, string path) => path == Embedding(model) || !IsInEncoder(model, path);

    // The projections of the encoder's output to keys and values run once, after the encoder.
    private static bool ReadsEncoder(Seq2SeqLM model, string path)
        => model.Spec.Names is var names && (path.EndsWith($".{names.CrossAttention}.{names.Key}", StringComparison.Ordinal) || path.EndsWith($".{names.CrossAttention}.{names.Value}", StringComparison.Ordinal));

    private static (OnnxGraph Graph, OnnxModules Modules) Start(PretrainedModel model, OnnxInputs inputs, ScalarType dtype)
    {
        var graph = new OnnxGraph(OnnxValues.TypeOf(dtype));
        return (graph, new(graph, model, inputs, dtype));
    }

    private static string Encode(OnnxGraph graph, OnnxModules modules, PretrainedModel model, TransformerSpec encoder, string ids, string mask, string embedded)
        => new OnnxStack(graph, modules, encoder, Prefix(model, encoder), new(graph, encoder, ids, mask, graph.Size(mask, 1))).Run(embedded, null);

    // The decoder's input of a classifier: the start token, then all tokens of the encoder's input but the last.
    private static string Shifted(OnnxGraph graph, PretrainedModel model, string ids)
    {
        var start = model.Config.Whole("decoder_start_token_id") ?? model.Config.PadTokenId ?? 0;
        var first = graph.Add("Expand", [graph.Scalar((long)start), graph.Add("Concat", [graph.Vector(graph.Size(ids, 0)), graph.Constant(1)], ("axis", 0L))]);
        return graph.Add("Concat", [first, graph.Add("Slice", [ids, graph.Constant(0), graph.Constant(-1), graph.Constant(1)])], ("axis", 1L));
    }

    private static string Lookup(OnnxModules modules, PretrainedModel model, string ids) => modules.Lookup(Embedding(model), ids);

    private static string Embedding(PretrainedModel model) => model.BasePrefix + model.Spec.Names.Embedding;

    private static string Prefix(PretrainedModel model, TransformerSpec stack) => $"{model.BasePrefix}{stack.Names.Base}.";

    private static string LayerPath(PretrainedModel model, int layer) => $"{Prefix(model, model.Spec)}{model.Spec.Names.Layers}.{layer}.";
}
