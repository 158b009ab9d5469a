using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>Pools the hidden states of each row to one vector.</summary>
internal static class HiddenStates
{
    /// <summary>The mean over the real tokens, <c>[batch, hidden]</c>; zeros for a row without real tokens.</summary>
    /// <param name="hidden">Hidden states <c>[batch, sequence, hidden]</c>.</param>
    /// <param name="mask">1 for a real token, 0 for padding, <c>[batch, past + sequence]</c>; null if all are real.</param>
    public static Tensor Mean(Tensor hidden, Tensor? mask)
    {
        if (mask is null) return hidden.mean([1]);
        using var scope = NewDisposeScope();
        var length = hidden.size(1);
        var weight = mask.narrow(1, mask.size(1) - length, length).to_type(hidden.dtype).unsqueeze(-1);
        return hidden.mul(weight).sum(dim: 1).div(weight.sum(dim: 1).clamp(min: Constant(1e-9))).MoveToOuterDisposeScope();
    }

    /// <summary>The position of the last real token of each row, <c>[batch]</c>.</summary>
    /// <param name="real">True for a real token, <c>[batch, sequence]</c>.</param>
    public static Tensor LastOf(Tensor real)
    {
        using var scope = NewDisposeScope();
        return real.to_type(ScalarType.Int64).mul(arange(Constant(0), Constant(real.size(1)), One, ScalarType.Int64, real.device)).argmax(1).MoveToOuterDisposeScope();
    }

    /// <summary>The state at one position of each row, <c>[batch, hidden]</c>.</summary>
    /// <param name="hidden">Hidden states <c>[batch, sequence, hidden]</c>.</param>
    /// <param name="positions">The positions, <c>[batch]</c>.</param>
    public static Tensor At(Tensor hidden, Tensor positions)
    {
        using var scope = NewDisposeScope();
        var (batch, length) = (hidden.size(0), hidden.size(1));
        return hidden.reshape(-1, hidden.size(2)).index_select(0, positions.add(arange(Constant(0), Constant(batch), One, ScalarType.Int64, hidden.device).mul(Constant(length)), One)).MoveToOuterDisposeScope();
    }
}
