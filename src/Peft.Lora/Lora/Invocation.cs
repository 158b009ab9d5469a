namespace Peft.Lora;

/// <summary>Finds the last occurrence of the invocation tokens that activate an adapter.</summary>
internal sealed class Invocation(IReadOnlyList<int> tokens)
{
    /// <summary>
    /// Mask <c>[batch, sequence, 1]</c> for a layer's input <c>[batch, sequence, in]</c>: 1 from the first token of the last invocation on, 0 elsewhere.
    /// </summary>
    public Tensor Mask(Tensor input, Target target)
    {
        var pass = ForwardPass.Current.Tokens ?? throw new PeftException(
            $"{target.Path} is active only from the invocation tokens on, but no token ids are available in its forward pass. Pass InputIds to the model instead of embeddings, and leave modules outside of its layers (the head) out of TargetModules.");
        var mask = pass.Derive(this, () => From(pass.Ids, pass.PackedLengths));
        var length = input.dim() == 3 ? input.size(1) : 0;
        if (length == 0 || input.size(0) != mask.size(0) || length > mask.size(1))
            throw new PeftException($"{target.Path} got an input [{string.Join(", ", input.shape)}] in a forward pass over tokens [{string.Join(", ", mask.shape)}]: its input does not consist of the text's positions. Leave it out of TargetModules.");
        return mask.narrow(1, mask.size(1) - length, length).unsqueeze(-1).to(input.dtype, input.device);
    }

    private Tensor From(Tensor ids, IReadOnlyList<int>? packed)
    {
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        return (packed is null ? Single(ids) : cat([.. ids.split([.. packed.Select(length => (long)length)], 1).Select(Single)], 1)).MoveToOuterDisposeScope();
    }

    private Tensor Single(Tensor ids)
    {
        var (length, starts) = (ids.size(1), ids.size(1) - tokens.Count + 1);
        if (starts < 1) return zeros_like(ids).to_type(ScalarType.Bool);
        var found = ids.narrow(1, 0, starts).eq(Constant(tokens[0]));
        for (var i = 1; i < tokens.Count; i++) found = found.logical_and(ids.narrow(1, i, starts).eq(Constant(tokens[i])));
        var last = found.mul(arange(Constant(1), Constant(starts + 1), One, device: ids.device)).amax([1], keepdim: true);   // 1-based; 0 if there is none
        return arange(Constant(1), Constant(length + 1), One, device: ids.device).unsqueeze(0).ge(last).logical_and(last.gt(Constant(0)));
    }
}
