using Peft.Models;

namespace Peft.Export.Onnx;

/// <summary>The attention of a stack's layers.</summary>
/// <param name="graph">The graph.</param>
/// <param name="modules">The model's modules.</param>
/// <param name="spec">The stack.</param>
/// <param name="sequence">The tokens that the stack reads.</param>
/// <param name="cache">Names of the keys and values of earlier positions, to which <c>key</c> and <c>value</c> are appended, by layer; null to have none.</param>
internal sealed class OnnxAttention(OnnxGraph graph, OnnxModules modules, TransformerSpec spec, OnnxSequence sequence, Func<int, OnnxCacheNames>? cache)
{
    private readonly TransformerNames names = spec.Names;

    /// <summary>Attention of the tokens to one another.</summary>
    public string Self(int layer, string path, string input, string bias)
    {
        path += names.Attention + ".";
        var (q, k, v) = Projected(path, input);
        if (spec.QueryKeyNorm == HeadNorm.PerHead) (q, k) = (modules.Norm(path + names.QueryNorm, q), modules.Norm(path + names.KeyNorm, k));
        (q, k, v) = (Swap(q), Swap(k), Swap(v));   // [batch, heads, sequence, size]
        if ((spec.Window(layer) is not null && spec.WindowRotary is { } local ? local : spec.Rotary) is { } rotary)
        {
            var (cosine, sine) = sequence.Angles(rotary);
            (q, k) = (Rotate(q, cosine, sine, rotary.Rotated(spec.HeadSize)), Rotate(k, cosine, sine, rotary.Rotated(spec.HeadSize)));
        }
        if (cache is not null) (k, v) = (Cached(cache(layer), "key", k), Cached(cache(layer), "value", v));
        return modules.Linear(path + names.AttentionOutput, Mixed(q, k, v, spec.ScoreFactor(layer), bias));
    }

    /// <summary>Attention to an encoder's output.</summary>
    /// <param name="path">The layer.</param>
    /// <param name="input">Hidden states.</param>
    /// <param name="source">The output's keys and values.</param>
    /// <param name="bias">Bias of the scores, which hides padding.</param>
    public string Cross(string path, string input, (string Key, string Value) source, string bias)
    {
        path += names.CrossAttention + ".";
        var q = Swap(Heads(modules.Linear(path + names.Query, input), spec.HeadCount, spec.HeadSize));
        return modules.Linear(path + names.AttentionOutput, Mixed(q, source.Key, source.Value, spec.ScoreFactor(0), bias));
    }

    /// <summary>The keys and values of an encoder's output for a decoder's layer, <c>[batch, heads, source, size]</c>.</summary>
    public static (string Key, string Value) Source(OnnxGraph graph, OnnxModules modules, TransformerSpec decoder, string path, string encoded)
    {
        path += decoder.Names.CrossAttention + ".";
        return (Read(decoder.Names.Key), Read(decoder.Names.Value));

        string Read(string name) => graph.Add("Transpose", [graph.Add("Reshape", [modules.Linear(path + name, encoded), graph.Constant(0, 0, decoder.KeyValueHeadCount, decoder.HeadSize)])], ("perm", new long[] { 0, 2, 1, 3 }));
    }

    // Softmax in float32 in any type, as in transformers.
    private string Mixed(string q, string k, string v, double factor, string bias)
    {
        var scores = graph.Add("MatMul", [q, graph.Add("Transpose", [Repeated(k)], ("perm", new long[] { 0, 1, 3, 2 }))]);
        if (factor != 1) scores = graph.Add("Mul", [scores, graph.Scalar(factor)]);
        if (spec.AttentionSoftCap is { } cap) scores = graph.Add("Mul", [graph.Add("Tanh", [graph.Add("Div", [scores, graph.Scalar(cap)])]), graph.Scalar(cap)]);
        var weights = graph.FromSingle(graph.Add("Softmax", [graph.Add("Add", [graph.ToSingle(scores), bias])], ("axis", -1L)));
        return graph.Add("Reshape", [Swap(graph.Add("MatMul", [weights, Repeated(v)])), graph.Constant(0, 0, spec.HeadCount * spec.HeadSize)]);
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

    // (x₁, x₂) → (x₁ cos − x₂ sin, x₂ cos + x₁ sin) for both halves of the rotated dimensions.
    private string Rotate(string heads, string cosine, string sine, int rotated)
    {
        var parts = graph.Split(heads, 3, rotated < spec.HeadSize ? [rotated / 2, rotated / 2, spec.HeadSize - rotated] : [rotated / 2, rotated / 2]);
        var first = graph.Add("Sub", [graph.Add("Mul", [parts[0], cosine]), graph.Add("Mul", [parts[1], sine])]);
        var second = graph.Add("Add", [graph.Add("Mul", [parts[1], cosine]), graph.Add("Mul", [parts[0], sine])]);
        return graph.Add("Concat", [first, second, .. parts[2..]], ("axis", -1L));
    }

    private string Cached(OnnxCacheNames names, string kind, string values)
    {
        var all = graph.Add("Concat", [names.Past + kind, values], ("axis", 2L));
        graph.Output(all, names.Present + kind, "batch", spec.KeyValueHeadCount, "total", spec.HeadSize);
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
}
