using Peft.Models;
using static TorchSharp.torch;
using DataType = Onnx.TensorProto.Types.DataType;

namespace Peft.Export.Onnx;

/// <summary>The tokens that a stack reads: their position ids, and the keys that each of them attends to.</summary>
internal sealed class OnnxSequence
{
    private readonly OnnxGraph graph;
    private readonly TransformerSpec spec;
    private readonly string? mask;
    private readonly string ids, total, past;
    private readonly Dictionary<string, (string Cosine, string Sine)> angles = new(StringComparer.Ordinal);
    private string? positions;

    /// <param name="graph">The graph.</param>
    /// <param name="spec">The stack.</param>
    /// <param name="ids">Token ids <c>[batch, sequence]</c>.</param>
    /// <param name="mask">Attention mask <c>[batch, total]</c>; null if all tokens are real.</param>
    /// <param name="total">Number of positions with those of the cache.</param>
    public OnnxSequence(OnnxGraph graph, TransformerSpec spec, string ids, string? mask, string total)
    {
        (this.graph, this.spec, this.ids, this.mask, this.total) = (graph, spec, ids, mask, total);
        past = graph.Add("Sub", [total, graph.Size(ids, 1)]);
        ZeroTo = graph.Add("Range", [graph.Scalar(0L), total, graph.Scalar(1L)]);
    }

    /// <summary>Indices of all positions, <c>[total]</c>.</summary>
    public string ZeroTo { get; }

    /// <summary>Position ids of the tokens, <c>[batch or 1, sequence]</c>.</summary>
    public string Positions => positions ??= PositionIds();

    private string PositionIds()
    {
        string all;
        switch (spec.Positions)
        {
            case PositionRule.All:
                all = graph.Add("Unsqueeze", [ZeroTo, graph.Constant(0)]);
                break;
            case PositionRule.TokensButPadding when spec.PaddingId is { } padding:
                var tokens = graph.Cast(graph.Add("Not", [graph.Add("Equal", [ids, graph.Scalar((long)padding)])]), DataType.Int64);
                return graph.Add("Sub", [graph.Add("Mul", [graph.Add("CumSum", [tokens, graph.Scalar(1L)]), tokens]), graph.Scalar(1L)]);
            case PositionRule.RealTokens:
                all = graph.Add("Sub", [graph.Add("Mul", [graph.Add("CumSum", [mask!, graph.Scalar(1L)]), mask!]), graph.Scalar(1L)]);
                break;
            default:
                var first = graph.Add("ArgMax", [graph.Cast(mask!, DataType.Float)], ("axis", 1L), ("keepdims", 1L));   // the first real token has position 0
                all = graph.Add("Max", [graph.Add("Sub", [graph.Add("Unsqueeze", [ZeroTo, graph.Constant(0)]), first]), graph.Scalar(0L)]);
                break;
        }
        return graph.Add("Slice", [all, graph.Vector(past), graph.Vector(total), graph.Constant(1)]);
    }

    /// <summary>The bias of the scores, in float32: 0, or the given bias, where a query attends to a key, broadcast to <c>[batch, heads, sequence, total]</c>.</summary>
    /// <param name="window">The number of keys that a query attends to; null for all.</param>
    /// <param name="relative">A bias of the pairs; null for none.</param>
    public string Bias(int? window, string? relative)
    {
        var allowed = mask is null ? null : Visible(graph, mask);
        if (spec.Causal)
        {
            var distance = Distances();
            var seen = graph.Add("GreaterOrEqual", [distance, graph.Scalar(0L)]);
            if (window is { } most) seen = graph.Add("And", [seen, graph.Add("Less", [distance, graph.Scalar((long)most)])]);
            allowed = allowed is null ? seen : graph.Add("And", [allowed, seen]);
        }
        return Hide(graph, allowed!, relative);
    }

    /// <summary>The bias of the scores that lets every query attend to the real keys of a mask <c>[batch, keys]</c>.</summary>
    public static string Bias(OnnxGraph graph, string mask) => Hide(graph, Visible(graph, mask), null);

    private static string Visible(OnnxGraph graph, string mask) => graph.Add("Unsqueeze", [graph.Cast(mask, DataType.Bool), graph.Constant(1, 2)]);

    private static string Hide(OnnxGraph graph, string allowed, string? bias) => graph.Add("Where", [allowed, bias ?? graph.Single(0), graph.Single(-1e30)]);

    /// <summary>The bucket of each pair of a query and a key, <c>[sequence, total]</c>.</summary>
    public string Buckets(RelativePositions settings)
    {
        var most = Math.Max(settings.MaxDistance, settings.Buckets);
        long[] buckets;
        using (NewDisposeScope())
            buckets = RelativeBias.Buckets(arange(Constant(-most), Constant(most + 1), One, ScalarType.Int64), settings, spec.Causal).data<long>().ToArray();
        var table = graph.Constant($"buckets_{(spec.Causal ? "causal" : "all")}", buckets);
        var distance = graph.Add("Clip", [graph.Add("Neg", [Distances()]), graph.Scalar((long)-most), graph.Scalar((long)most)]);   // key − query
        return graph.Add("Gather", [table, graph.Add("Add", [distance, graph.Scalar((long)most)])]);
    }

    // Query − key, [sequence, total].
    private string Distances()
    {
        var queries = graph.Add("Unsqueeze", [graph.Add("Slice", [ZeroTo, graph.Vector(past), graph.Vector(total), graph.Constant(0)]), graph.Constant(1)]);
        return graph.Add("Sub", [queries, ZeroTo]);
    }

    /// <summary>Cosine and sine of the rotary embedding, <c>[batch or 1, 1, sequence, rotated / 2]</c>.</summary>
    public (string Cosine, string Sine) Angles(RotarySettings rotary)
    {
        var name = ReferenceEquals(rotary, spec.Rotary) ? "all" : "window";
        if (angles.TryGetValue(name, out var known)) return known;
        var angle = graph.Add("Mul", [graph.Add("Unsqueeze", [graph.Cast(Positions, DataType.Float), graph.Constant(1, 3)]), Frequencies(rotary, $"frequencies_{name}")]);
        var factor = rotary.Scaling?.AttentionFactor ?? 1;
        return angles[name] = (Scaled(graph.Add("Cos", [angle])), Scaled(graph.Add("Sin", [angle])));

        string Scaled(string values) => graph.FromSingle(factor == 1 ? values : graph.Add("Mul", [values, graph.Single(factor)]));
    }

    // [rotated / 2]
    private string Frequencies(RotarySettings rotary, string name)
    {
        using var scope = NewDisposeScope();
        var exponents = rotary.Exponents(spec.HeadSize, CPU);
        switch (rotary.Scaling)
        {
            case LongRopeScaling { DependsOnLength: true } scaling:
                return graph.Add("Where", [graph.Add("Greater", [Longest(), graph.Scalar((long)scaling.OriginalPositions)]), Fixed(name + "_long", scaling.OriginalPositions + 1L), Fixed(name, 0)]);
            case DynamicScaling scaling:
                // θ·(f·n/m − (f − 1))^(d/(d − 2)), to the powers of −2i/d.
                var length = graph.Cast(graph.Add("Max", [Longest(), graph.Scalar((long)scaling.MaxPositions)]), DataType.Float);
                var growth = graph.Add("Sub", [graph.Add("Mul", [length, graph.Single(scaling.Factor / scaling.MaxPositions)]), graph.Single(scaling.Factor - 1)]);
                var d = Math.Round(2 / exponents[1].item<float>());
                var negative = graph.Constant(name + "_exponents", exponents.neg().data<float>().ToArray(), exponents.shape);
                return graph.Add("Pow", [graph.Add("Mul", [graph.Add("Pow", [growth, graph.Single(d / (d - 2))]), graph.Single(rotary.Base)]), negative]);
            default:
                return Fixed(name, 0);
        }

        string Fixed(string constant, long regime) => graph.Constant(constant, rotary.Frequencies(exponents, regime).data<float>().ToArray(), exponents.shape);
    }

    // The number of positions of the longest row.
    private string Longest() => graph.Add("Add", [graph.Add("ReduceMax", [Positions], ("keepdims", 0L)), graph.Scalar(1L)]);
}
