using Peft.Models;
using DataType = Onnx.TensorProto.Types.DataType;

namespace Peft.Export.Onnx;

/// <summary>The outputs of a model: what its head computes from hidden states.</summary>
/// <param name="graph">The graph.</param>
/// <param name="modules">The model's modules.</param>
/// <param name="model">The model.</param>
/// <param name="ids">Token ids <c>[batch, sequence]</c>.</param>
/// <param name="mask">Attention mask; null if the head needs none.</param>
/// <param name="zeroTo">Indices of the positions, <c>[sequence]</c>.</param>
internal sealed class OnnxHead(OnnxGraph graph, OnnxModules modules, PretrainedModel model, string ids, string? mask, string zeroTo)
{
    // Before the first position, however long the row: the runtime refuses to read there.
    private const long NoPosition = int.MinValue;

    private readonly TransformerSpec spec = model.Spec;

    /// <summary>Adds the outputs.</summary>
    public void Add(string hidden)
    {
        switch (model)
        {
            case LanguageModel:
                if (spec.HeadScale != 1) hidden = graph.Add("Mul", [hidden, graph.Scalar(spec.HeadScale)]);
                var logits = modules.Linear(spec.Names.Head, hidden);
                if (spec.LogitSoftCap is { } cap) logits = graph.Add("Mul", [graph.Add("Tanh", [graph.Add("Div", [logits, graph.Scalar(cap)])]), graph.Scalar(cap)]);
                graph.Output(logits, "logits", "batch", "sequence", spec.VocabularySize);
                break;
            case MaskedLM:
                graph.Output(Scores(spec.MaskedHead!, hidden), "logits", "batch", "sequence", spec.VocabularySize);
                break;
            case SequenceClassifier classifier:
                graph.Output(Scores(spec.Classifier, Pooled(classifier, hidden)), "logits", "batch", classifier.LabelCount);
                break;
            case TokenClassifier tagger:
                graph.Output(Scores(spec.TokenClassifier, hidden), "logits", "batch", "sequence", tagger.LabelCount);
                break;
            case QuestionAnswerer:
                var parts = graph.Split(Scores(spec.QuestionAnswerer!, hidden), 2, 1, 1);
                foreach (var (part, name) in parts.Zip(["start_logits", "end_logits"])) graph.Output(graph.Add("Squeeze", [part, graph.Constant(2)]), name, "batch", "sequence");
                break;
            case FeatureExtractor:
                graph.Output(hidden, "last_hidden_state", "batch", "sequence", spec.HiddenSize);
                graph.Output(Mean(hidden), "sentence_embedding", "batch", spec.HiddenSize);
                break;
            default:
                throw new ExportException($"A {model.GetType().Name} cannot be exported to ONNX: its head is unknown.");
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

    private string Pooled(SequenceClassifier classifier, string hidden)
    {
        if (spec.Kind == TransformerKind.EncoderDecoder) return Last(Equals(model.Config.Ids("eos_token_id")[0]), hidden, NoPosition);
        return classifier.Pooling switch
        {
            Pooling.Cls => graph.Add("Gather", [hidden, graph.Scalar(0L)], ("axis", 1L)),
            Pooling.Mean => Mean(hidden),
            // As in transformers, the padding id marks the last real token; without a padding id, the attention mask does.
            _ => Last(model.Config.PadTokenId is { } pad ? graph.Add("Not", [Equals(pad)]) : graph.Cast(mask!, DataType.Bool), hidden),
        };

        string Equals(int id) => graph.Add("Equal", [ids, graph.Scalar((long)id)]);
    }

    // The mean over real tokens. The sum may exceed float16.
    private string Mean(string hidden)
    {
        var weight = graph.Add("Unsqueeze", [graph.Cast(mask!, DataType.Float), graph.Constant(2)]);
        var sum = graph.Add("ReduceSum", [graph.Add("Mul", [graph.ToSingle(hidden), weight]), graph.Constant(1)], ("keepdims", 0L));
        return graph.FromSingle(graph.Add("Div", [sum, graph.Add("Max", [graph.Add("ReduceSum", [weight, graph.Constant(1)], ("keepdims", 0L)), graph.Single(1e-9)])]));
    }

    // The hidden states at the last of the marked positions, or at another position if none is marked.
    private string Last(string marked, string hidden, long otherwise = 0)
    {
        var last = graph.Add("ReduceMax", [graph.Add("Where", [marked, zeroTo, graph.Scalar(otherwise)])], ("axes", new long[] { 1 }), ("keepdims", 1L));
        return graph.Add("Squeeze", [graph.Add("GatherND", [hidden, graph.Add("Unsqueeze", [last, graph.Constant(2)])], ("batch_dims", 1L)), graph.Constant(1)]);
    }
}
