using Peft.Models;
using static TorchSharp.torch;
using DataType = Onnx.TensorProto.Types.DataType;

namespace Peft.Export.Onnx;

/// <summary>Builds the graph of a transformer from its description. Decoders with a language model's head take and return keys and values of earlier positions, named as Optimum and ONNX Runtime GenAI have them.</summary>
internal sealed class OnnxTransformer
{
    private readonly OnnxGraph graph = new();
    private readonly PretrainedModel model;
    private readonly TransformerSpec spec;
    private readonly TransformerNames names;
    private readonly OnnxModules modules;
    private readonly string prefix, ids, mask, length, total, past, zeroTo;
    private readonly bool caches;

    private OnnxTransformer(PretrainedModel model, OnnxInputs inputs)
    {
        (this.model, spec, names, prefix) = (model, model.Spec, model.Spec.Names, model.BasePrefix);
        caches = model is CausalLM;
        modules = new(graph, model, inputs);
        ids = graph.Input("input_ids", DataType.Int64, "batch", "sequence");
        mask = graph.Input("attention_mask", DataType.Int64, "batch", caches ? "total" : "sequence");
        length = Size(ids, 1);
        total = Size(mask, 1);
        past = graph.Add("Sub", [total, length]);
        zeroTo = graph.Add("Range", [graph.Scalar(0L), total, graph.Scalar(1L)]);
    }

    /// <summary>The model as an ONNX graph.</summary>
    /// <param name="model">The model.</param>
    /// <param name="inputs">Modules whose adapters are inputs.</param>
    public static global::Onnx.ModelProto Build(PretrainedModel model, OnnxInputs inputs)
    {
        var builder = new OnnxTransformer(model, inputs);
        builder.Head(builder.Layers());
        return builder.graph.ToModel();
    }

    /// <summary>The parts of a model that cannot be exported.</summary>
    public static IEnumerable<string> Problems(PretrainedModel model)
    {
        var spec = model.Spec;
        if (model is not (CausalLM or FeatureExtractor or SequenceClassifier or TokenClassifier or QuestionAnswerer)) yield return $"a {model.GetType().Name} is not exported to ONNX; a CausalLM, FeatureExtractor, SequenceClassifier, TokenClassifier or QuestionAnswerer is.";
        if (spec.Kind == TransformerKind.EncoderDecoder || spec.RelativePositions is not null) yield return "models with an encoder and a decoder are not exported to ONNX.";
        if (!OnnxActivation.IsKnown(spec.Activation.Name)) yield return $"the activation '{spec.Activation.Name}' is not exported to ONNX.";
        if (new[] { spec.Rotary, spec.WindowRotary }.Any(rotary => rotary?.Scaling?.DependsOnLength == true)) yield return "rotary frequencies that depend on the length of the text are not exported to ONNX.";
    }

    private string Layers()
    {
        var positions = Positions();
        var hidden = Embed(positions);
        var bias = new Dictionary<int, string>();
        for (var layer = 0; layer < spec.LayerCount; layer++)
        {
            var window = spec.Window(layer);
            if (!bias.TryGetValue(window ?? 0, out var hiding)) bias[window ?? 0] = hiding = Bias(window);
            hidden = Layer(layer, hidden, positions, hiding);
        }
        return spec.PostNorm ? hidden : modules.Norm(prefix + names.FinalNorm, hidden);
    }

    private string Embed(string positions)
    {
        var hidden = modules.Lookup(prefix + names.Embedding, ids);
        if (spec.EmbeddingScale != 1) hidden = graph.Add("Mul", [hidden, graph.Scalar((float)spec.EmbeddingScale)]);
        if (spec.TokenTypeCount > 0) hidden = graph.Add("Add", [hidden, modules.Lookup(prefix + names.TokenTypes, graph.Input("token_type_ids", DataType.Int64, "batch", "sequence"))]);
        if (spec.LearnedPositionOffset is { } offset) hidden = graph.Add("Add", [hidden, modules.Lookup(prefix + names.Positions, graph.Add("Add", [positions, graph.Scalar((long)offset)]))]);
        return spec.EmbeddingNorm ? modules.Norm(prefix + names.EmbeddingNorm, hidden) : hidden;
    }

    private string Layer(int index, string input, string positions, string bias)
    {
        var path = $"{prefix}{names.Layers}.{index}.";
        if (spec.PostNorm)
        {
            var first = modules.Norm(path + names.AttentionNorm, graph.Add("Add", [input, Attention(index, path, input, positions, bias)]));
            return modules.Norm(path + names.FeedForwardNorm, graph.Add("Add", [first, FeedForward(path, first)]));
        }
        var attended = Attention(index, path, modules.Norm(path + names.AttentionNorm, input), positions, bias);
        if (names.AttentionOutputNorm is { } afterAttention) attended = modules.Norm(path + afterAttention, attended);
        var middle = graph.Add("Add", [input, attended]);
        var fed = FeedForward(path, modules.Norm(path + names.FeedForwardNorm, spec.ParallelResidual ? input : middle));
        if (names.FeedForwardOutputNorm is { } afterFeedForward) fed = modules.Norm(path + afterFeedForward, fed);
        return graph.Add("Add", [middle, fed]);
    }

    private string Attention(int index, string path, string input, string positions, string bias)
    {
        var (q, k, v) = Projected(path + names.Attention + ".", input);
        if (spec.QueryKeyNorm) (q, k) = (modules.Norm($"{path}{names.Attention}.{names.QueryNorm}", q), modules.Norm($"{path}{names.Attention}.{names.KeyNorm}", k));
        (q, k, v) = (Swap(q), Swap(k), Swap(v));   // [batch, heads, sequence, size]
        if ((spec.Window(index) is not null && spec.WindowRotary is { } local ? local : spec.Rotary) is { } rotary)
        {
            var (cosine, sine) = Angles(rotary, positions);
            (q, k) = (Rotate(q, cosine, sine, rotary.Rotated(spec.HeadSize)), Rotate(k, cosine, sine, rotary.Rotated(spec.HeadSize)));
        }
        if (caches) (k, v) = (Cached(index, "key", k), Cached(index, "value", v));
        var scores = graph.Add("Mul", [graph.Add("MatMul", [q, graph.Add("Transpose", [Repeated(k)], ("perm", new long[] { 0, 1, 3, 2 }))]), graph.Scalar(spec.ScoreFactor(index))]);
        if (spec.AttentionSoftCap is { } cap) scores = Capped(scores, cap);
        var weights = graph.Add("Softmax", [graph.Add("Add", [scores, bias])], ("axis", -1L));
        var mixed = graph.Add("Reshape", [Swap(graph.Add("MatMul", [weights, Repeated(v)])), graph.Constant(0, 0, spec.HeadCount * spec.HeadSize)]);
        return modules.Linear($"{path}{names.Attention}.{names.AttentionOutput}", mixed);
    }

    // [batch, sequence, heads, size] each.
    private (string Query, string Key, string Value) Projected(string path, string input)
    {
        var (heads, keyHeads, size) = (spec.HeadCount, spec.KeyValueHeadCount, spec.HeadSize);
        if (spec.AttentionProjections == ProjectionLayout.Separate)
            return (Heads(modules.Linear(path + names.Query, input), heads, size), Heads(modules.Linear(path + names.Key, input), keyHeads, size), Heads(modules.Linear(path + names.Value, input), keyHeads, size));
        var joined = modules.Linear(path + names.QueryKeyValue, input);
        if (spec.AttentionProjections == ProjectionLayout.JoinedPerHead) return graph.Split(Heads(joined, heads, 3 * size), 3, size, size, size) is [var q, var k, var v] ? (q, k, v) : default;
        var parts = graph.Split(joined, 2, heads * size, keyHeads * size, keyHeads * size);
        return (Heads(parts[0], heads, size), Heads(parts[1], keyHeads, size), Heads(parts[2], keyHeads, size));
    }

    private string FeedForward(string path, string input)
    {
        if (names.FeedForward is { } own) path += own + ".";
        if (!spec.GatedFeedForward) return modules.Linear(path + names.Down, OnnxActivation.Apply(graph, spec.Activation.Name, modules.Linear(path + names.Up, input)));
        string gate, up;
        if (spec.FusedGate) (gate, up) = graph.Split(modules.Linear(path + names.GateUp, input), 2, spec.IntermediateSize, spec.IntermediateSize) is [var a, var b] ? (a, b) : default;
        else (gate, up) = (modules.Linear(path + names.Gate, input), modules.Linear(path + names.Up, input));
        return modules.Linear(path + names.Down, graph.Add("Mul", [OnnxActivation.Apply(graph, spec.Activation.Name, gate), up]));
    }

    private void Head(string hidden)
    {
        switch (model)
        {
            case CausalLM:
                if (spec.HeadScale != 1) hidden = graph.Add("Mul", [hidden, graph.Scalar(spec.HeadScale)]);
                var logits = modules.Linear(names.Head, hidden);
                if (spec.LogitSoftCap is { } cap) logits = Capped(logits, cap);
                graph.Output(logits, "logits", "batch", "sequence", spec.VocabularySize);
                break;
            case SequenceClassifier classifier:
                graph.Output(Scores(spec.Classifier, Pooled(classifier.Pooling, hidden)), "logits", "batch", classifier.LabelCount);
                break;
            case TokenClassifier tagger:
                graph.Output(Scores(spec.TokenClassifier, hidden), "logits", "batch", "sequence", tagger.LabelCount);
                break;
            case QuestionAnswerer:
                var parts = graph.Split(Scores(spec.QuestionAnswerer!, hidden), 2, 1, 1);
                foreach (var (part, name) in parts.Zip(["start_logits", "end_logits"])) graph.Output(graph.Add("Squeeze", [part, graph.Constant(2)]), name, "batch", "sequence");
                break;
            default:
                graph.Output(hidden, "last_hidden_state", "batch", "sequence", spec.HiddenSize);
                graph.Output(Pooled(Pooling.Mean, hidden), "sentence_embedding", "batch", spec.HiddenSize);
                break;
        }
    }

    private string Scores(HeadSpec head, string hidden)
    {
        if (head.Dense is { } dense && modules.Has(dense))
        {
            hidden = modules.Linear(dense, hidden);
            if (head.Activation is { } activation) hidden = OnnxActivation.Apply(graph, activation.Name, hidden);
            if (head.Norm is { } norm) hidden = modules.Norm(norm, hidden);
        }
        return modules.Linear(head.Output, hidden);
    }

    private string Pooled(Pooling pooling, string hidden)
    {
        if (pooling == Pooling.Cls) return graph.Add("Gather", [hidden, graph.Scalar(0L)], ("axis", 1L));
        if (pooling == Pooling.Mean)
        {
            var weight = graph.Add("Unsqueeze", [Float(mask), graph.Constant(2)]);
            var sum = graph.Add("ReduceSum", [graph.Add("Mul", [hidden, weight]), graph.Constant(1)], ("keepdims", 0L));
            return graph.Add("Div", [sum, graph.Add("Max", [graph.Add("ReduceSum", [weight, graph.Constant(1)], ("keepdims", 0L)), graph.Scalar(1e-9)])]);
        }
        // As in transformers, the padding id marks the last real token; without a padding id, the attention mask does.
        var real = model.Config.PadTokenId is { } pad ? graph.Add("Not", [graph.Add("Equal", [ids, graph.Scalar((long)pad)])]) : graph.Add("Cast", [mask], ("to", (long)DataType.Bool));
        var last = graph.Add("ReduceMax", [graph.Add("Mul", [Float(real), Float(zeroTo)])], ("axes", new long[] { 1 }), ("keepdims", 1L));
        var chosen = graph.Add("Unsqueeze", [Float(graph.Add("Equal", [Float(zeroTo), last])), graph.Constant(1)]);   // [batch, 1, sequence]
        return graph.Add("Squeeze", [graph.Add("MatMul", [chosen, hidden]), graph.Constant(1)]);
    }

    // Position ids of the input, [batch or 1, sequence].
    private string Positions()
    {
        string all;
        switch (spec.Positions)
        {
            case PositionRule.All:
                all = graph.Add("Unsqueeze", [zeroTo, graph.Constant(0)]);
                break;
            case PositionRule.TokensButPadding when spec.PaddingId is { } padding:
                var tokens = Whole(graph.Add("Not", [graph.Add("Equal", [ids, graph.Scalar((long)padding)])]));
                return graph.Add("Sub", [graph.Add("Mul", [graph.Add("CumSum", [tokens, graph.Scalar(1L)]), tokens]), graph.Scalar(1L)]);
            case PositionRule.RealTokens:
                all = graph.Add("Sub", [graph.Add("Mul", [graph.Add("CumSum", [mask, graph.Scalar(1L)]), mask]), graph.Scalar(1L)]);
                break;
            default:
                var first = graph.Add("ArgMax", [Float(mask)], ("axis", 1L), ("keepdims", 1L));   // the first real token has position 0
                all = graph.Add("Max", [graph.Add("Sub", [graph.Add("Unsqueeze", [zeroTo, graph.Constant(0)]), first]), graph.Scalar(0L)]);
                break;
        }
        return graph.Add("Slice", [all, Vector(past), Vector(total), graph.Constant(1)]);
    }

    // 0 where a query may attend to a key, [batch, 1, sequence, total].
    private string Bias(int? window)
    {
        var allowed = graph.Add("Unsqueeze", [graph.Add("Cast", [mask], ("to", (long)DataType.Bool)), graph.Constant(1, 2)]);
        if (spec.Causal)
        {
            var queries = graph.Add("Unsqueeze", [graph.Add("Slice", [zeroTo, Vector(past), Vector(total), graph.Constant(0)]), graph.Constant(1)]);
            var distance = graph.Add("Sub", [queries, zeroTo]);
            var seen = graph.Add("GreaterOrEqual", [distance, graph.Scalar(0L)]);
            if (window is { } most) seen = graph.Add("And", [seen, graph.Add("Less", [distance, graph.Scalar((long)most)])]);
            allowed = graph.Add("And", [allowed, seen]);
        }
        return graph.Add("Where", [allowed, graph.Scalar(0.0), graph.Scalar(-1e30)]);
    }

    // Cosine and sine, [batch or 1, 1, sequence, rotated / 2].
    private (string Cosine, string Sine) Angles(RotarySettings rotary, string positions)
    {
        var rotated = rotary.Rotated(spec.HeadSize);
        float[] frequencies;
        using (NewDisposeScope())
        {
            var exponents = arange(Constant(0), Constant(rotated), Constant(2), ScalarType.Int64).to_type(ScalarType.Float32).div(Constant(rotated));
            frequencies = rotary.Frequencies(exponents, 0).data<float>().ToArray();
        }
        var name = $"frequencies_{(ReferenceEquals(rotary, spec.Rotary) ? "all" : "window")}";
        var angles = graph.Add("Mul", [graph.Add("Unsqueeze", [Float(positions), graph.Constant(1, 3)]), graph.Constant(name, frequencies, rotated / 2)]);
        var factor = rotary.Scaling?.AttentionFactor ?? 1;
        return (Scaled(graph.Add("Cos", [angles]), factor), Scaled(graph.Add("Sin", [angles]), factor));
    }

    // (x₁, x₂) → (x₁ cos − x₂ sin, x₂ cos + x₁ sin) for both halves of the rotated dimensions.
    private string Rotate(string heads, string cosine, string sine, int rotated)
    {
        var parts = graph.Split(heads, 3, rotated < spec.HeadSize ? [rotated / 2, rotated / 2, spec.HeadSize - rotated] : [rotated / 2, rotated / 2]);
        var first = graph.Add("Sub", [graph.Add("Mul", [parts[0], cosine]), graph.Add("Mul", [parts[1], sine])]);
        var second = graph.Add("Add", [graph.Add("Mul", [parts[1], cosine]), graph.Add("Mul", [parts[0], sine])]);
        return graph.Add("Concat", [first, second, .. parts[2..]], ("axis", -1L));
    }

    private string Cached(int layer, string kind, string values)
    {
        var before = graph.Input($"past_key_values.{layer}.{kind}", DataType.Float, "batch", spec.KeyValueHeadCount, "past", spec.HeadSize);
        var all = graph.Add("Concat", [before, values], ("axis", 2L));
        graph.Output(all, $"present.{layer}.{kind}", "batch", spec.KeyValueHeadCount, "total", spec.HeadSize);
        return all;
    }

    private string Repeated(string heads)
    {
        var groups = spec.HeadCount / spec.KeyValueHeadCount;
        if (groups == 1) return heads;
        var expanded = graph.Add("Expand", [graph.Add("Unsqueeze", [heads, graph.Constant(2)]), graph.Constant(1, 1, groups, 1, 1)]);
        return graph.Add("Reshape", [expanded, graph.Constant(0, spec.HeadCount, -1, spec.HeadSize)]);
    }

    private string Heads(string values, int heads, int size) => graph.Add("Reshape", [values, graph.Constant(0, 0, heads, size)]);

    private string Swap(string values) => graph.Add("Transpose", [values], ("perm", new long[] { 0, 2, 1, 3 }));

    private string Capped(string values, double cap) => graph.Add("Mul", [graph.Add("Tanh", [graph.Add("Div", [values, graph.Scalar(cap)])]), graph.Scalar(cap)]);

    private string Scaled(string values, double factor) => factor == 1 ? values : graph.Add("Mul", [values, graph.Scalar(factor)]);

    private string Float(string values) => graph.Add("Cast", [values], ("to", (long)DataType.Float));

    private string Whole(string values) => graph.Add("Cast", [values], ("to", (long)DataType.Int64));

    private string Size(string values, long dimension) => graph.Add("Squeeze", [graph.Add("Shape", [values], ("start", dimension), ("end", dimension + 1)), graph.Constant(0)]);

    private string Vector(string scalar) => graph.Add("Unsqueeze", [scalar, graph.Constant(0)]);
}
