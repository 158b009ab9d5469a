using Peft.Modules;
using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>Attention from a decoder's positions to the encoder's output. With a cache, the keys and values are projected once.</summary>
internal sealed class CrossAttention : nn.Module<Tensor, ForwardContext, Tensor>
{
    private readonly AdaptableModule query, key, value, output;
    private readonly ScaledDotProduct attention;
    private readonly int heads, keyValueHeads, size;
    private readonly double dropout;

    public CrossAttention(TransformerSpec spec, int sourceSize, Placement at) : base("")
    {
        (heads, keyValueHeads, size) = (spec.HeadCount, spec.KeyValueHeadCount, spec.HeadSize);
        dropout = spec.AttentionDropout;
        attention = new(spec);
        var names = spec.Names;
        this.Place(names.Query, query = TransformerParts.Projection(spec, spec.HiddenSize, heads * size, spec.AttentionBias, at));
        this.Place(names.Key, key = TransformerParts.Projection(spec, sourceSize, keyValueHeads * size, spec.AttentionBias, at));
        this.Place(names.Value, value = TransformerParts.Projection(spec, sourceSize, keyValueHeads * size, spec.AttentionBias, at));
        this.Place(names.AttentionOutput, output = TransformerParts.Projection(spec, heads * size, spec.HiddenSize, spec.AttentionOutputBias, at));
    }

    // The modules are registered under the names of the architecture's description, not under the field names.
    /// <inheritdoc/>
    protected override void RegisterComponents() { }

    /// <inheritdoc/>
    public override Tensor forward(Tensor input, ForwardContext context)
    {
        var (states, pattern, positions) = context.Encoder!;
        using var q = Project(query, input, heads);
        var cached = context.Cache?.Cross(context.Layer);
        var (k, v) = cached ?? ProjectStates(states, positions);
        if (cached is null) context.Cache?.KeepCross(context.Layer, k, v);
        using var mixed = attention.Run(q, k, v, pattern, training ? dropout : 0, context.Batch, context.Length, (int)states.size(1));
        if (context.Cache is null)
        {
            k.Dispose();
            v.Dispose();
        }
        return output.call(mixed);
    }

    private (Tensor Key, Tensor Value) ProjectStates(Tensor states, PassPositions positions)
    {
        using var known = ForwardPass.Enter(ForwardPass.Current.Tokens, positions);
        return (Project(key, states, keyValueHeads), Project(value, states, keyValueHeads));
    }

    // [batch, length, width] to [batch, heads, length, size].
    private Tensor Project(AdaptableModule projection, Tensor input, int count)
    {
        using var flat = projection.call(input);
        using var split = flat.view(input.size(0), input.size(1), count, size);
        return split.transpose(1, 2);
    }
}
