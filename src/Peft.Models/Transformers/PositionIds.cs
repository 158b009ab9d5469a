using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>Position ids by the rule of an architecture (<see cref="PositionRule"/>).</summary>
internal static class PositionIds
{
    /// <summary>The position ids of an input, <c>[batch, sequence]</c>; null if the positions of every row continue after the past.</summary>
    /// <param name="spec">The architecture.</param>
    /// <param name="input">The input. Its own position ids take precedence.</param>
    /// <param name="mask">1 for tokens and 0 for padding, <c>[batch, past + sequence]</c>; null without padding.</param>
    /// <param name="past">Number of earlier positions.</param>
    /// <param name="length">Number of new positions of each row.</param>
    /// <param name="device">The device of the ids.</param>
    public static Tensor? Of(TransformerSpec spec, ModelInput input, Tensor? mask, int past, int length, Device device)
    {
        if (input.PositionIds is { } given) return given.alias();
        if (input.PackedLengths is { } lengths)
            return tensor(lengths.SelectMany(each => Enumerable.Range(0, each)).Select(i => (long)i).ToArray(), device: device).unsqueeze(0);
        if (spec.Positions == PositionRule.All) return null;
        using var scope = NewDisposeScope();
        if (spec.Positions == PositionRule.TokensButPadding)
        {
            // Embeddings do not show which positions are padding. As in transformers, all of them then count.
            if (input.InputIds is not { } ids || spec.PaddingId is not { } padding) return null;
            var real = ids.ne(Constant(padding)).to_type(ScalarType.Int64);
            return real.cumsum(1).add(Constant(past), One).mul(real).sub(Constant(1)).MoveToOuterDisposeScope();
        }
        if (mask is null) return null;
        Tensor all;   // [batch, past + sequence]
        if (spec.Positions == PositionRule.RealTokens)
        {
            all = mask.cumsum(1).mul(mask).sub(Constant(1));
        }
        else
        {
            var first = mask.ne(Constant(0)).to_type(ScalarType.Int64).argmax(1, true);   // the first real token has position 0
            all = arange(Constant(0), Constant(past + length), One, ScalarType.Int64, device).unsqueeze(0).sub(first).clamp_(min: Constant(0));
        }
        return all.narrow(1, past, length).to_type(ScalarType.Int64).MoveToOuterDisposeScope();
    }
}
