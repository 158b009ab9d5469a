using Peft.Models;

namespace Peft.Export.Onnx;

/// <summary>A stack of layers with its embeddings: token ids to hidden states <c>[batch, sequence, hidden]</c>.</summary>
/// <param name="graph">The graph.</param>
/// <param name="modules">The model's modules.</param>
/// <param name="spec">The stack.</param>
/// <param name="prefix">Prefix of its modules.</param>
/// <param name="sequence">The tokens that it reads.</param>
/// <param name="cache">Names of the keys and values of earlier positions by layer; null to have none.</param>
internal sealed class OnnxStack(OnnxGraph graph, OnnxModules modules, TransformerSpec spec, string prefix, OnnxSequence sequence, Func<int, OnnxCacheNames>? cache = null)
{
    private readonly TransformerNames names = spec.Names;
    private readonly OnnxAttention attention = new(graph, modules, spec, sequence, cache);

    /// <summary>An encoder's keys and values by layer, and the bias that hides its padding; null without an encoder.</summary>
    public (Func<int, (string Key, string Value)> States, string Bias)? Encoder { get; init; }

    /// <summary>The hidden states of embeddings.</summary>
    /// <param name="embedded">The rows of the token embedding.</param>
    /// <param name="tokenTypes">Token type ids; null if there are none.</param>
    public string Run(string embedded, string? tokenTypes)
    {
        var hidden = Embed(embedded, tokenTypes);
        var relative = spec.RelativePositions is { } settings ? Relative(settings) : null;
        var bias = new Dictionary<int, string>();
        for (var layer = 0; layer < spec.LayerCount; layer++)
        {
            var window = spec.Window(layer);
            if (!bias.TryGetValue(window ?? 0, out var hiding)) bias[window ?? 0] = hiding = sequence.Bias(window, relative);
            hidden = Layer(layer, hidden, hiding);
        }
        return spec.PostNorm ? hidden : modules.Norm(prefix + names.FinalNorm, hidden);
    }

    private string Embed(string hidden, string? tokenTypes)
    {
        if (spec.EmbeddingScale != 1) hidden = graph.Add("Mul", [hidden, graph.Scalar((float)spec.EmbeddingScale)]);
        if (tokenTypes is not null) hidden = graph.Add("Add", [hidden, modules.Lookup(prefix + names.TokenTypes, tokenTypes)]);
        if (spec.LearnedPositionOffset is { } offset) hidden = graph.Add("Add", [hidden, modules.Lookup(prefix + names.Positions, graph.Add("Add", [sequence.Positions, graph.Scalar((long)offset)]))]);
        return spec.EmbeddingNorm ? modules.Norm(prefix + names.EmbeddingNorm, hidden) : hidden;
    }

    // [1, heads, sequence, total]
    private string Relative(RelativePositions settings)
    {
        var rows = modules.Lookup($"{prefix}{names.Layers}.0.{names.Attention}.{names.RelativePositions}", sequence.Buckets(settings));
        return graph.ToSingle(graph.Add("Unsqueeze", [graph.Add("Transpose", [rows], ("perm", new long[] { 2, 0, 1 })), graph.Constant(0)]));
    }

    private string Layer(int index, string input, string bias)
    {
        var path = $"{prefix}{names.Layers}.{index}.";
        if (spec.PostNorm)
        {
            var first = modules.Norm(path + names.AttentionNorm, graph.Add("Add", [input, attention.Self(index, path, input, bias)]));
            return modules.Norm(path + names.FeedForwardNorm, graph.Add("Add", [first, FeedForward(path, first)]));
        }
        var attended = attention.Self(index, path, modules.Norm(path + names.AttentionNorm, input), bias);
        if (names.AttentionOutputNorm is { } afterAttention) attended = modules.Norm(path + afterAttention, attended);
        var middle = graph.Add("Add", [input, attended]);
        if (Encoder is { } encoder) middle = graph.Add("Add", [middle, attention.Cross(path, modules.Norm(path + names.CrossAttentionNorm, middle), encoder.States(index), encoder.Bias)]);
        var fed = FeedForward(path, modules.Norm(path + names.FeedForwardNorm, spec.ParallelResidual ? input : middle));
        if (names.FeedForwardOutputNorm is { } afterFeedForward) fed = modules.Norm(path + afterFeedForward, fed);
        return graph.Add("Add", [middle, fed]);
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
}
