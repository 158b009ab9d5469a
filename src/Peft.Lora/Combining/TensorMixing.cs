namespace Peft.Lora;

/// <summary>Combines tensors of one shape, stacked <c>[adapters, …]</c>, into one tensor.</summary>
internal static class TensorMixing
{
    public static Tensor Mix(IEnumerable<Tensor> tensors, IReadOnlyList<double> weights, CombinationOptions options)
    {
        var stack = TorchSharp.torch.stack(tensors.Select(tensor => Prune(tensor, options)).ToList());
        var shape = stack.shape.Select((_, dimension) => dimension == 0 ? -1L : 1L).ToArray();
        var weighted = stack.mul(tensor(weights.ToArray(), stack.dtype, stack.device).reshape(shape));
        return options.Kind is Combination.Ties or Combination.TiesSvd or Combination.DareTies or Combination.DareTiesSvd
            ? Agreeing(stack, weighted, options.MajorityByCount)
            : weighted.sum(dim: 0);
    }

    // The weighted sum of the elements with the majority sign, divided by their number.
    private static Tensor Agreeing(Tensor stack, Tensor weighted, bool byCount)
    {
        var sign = stack.sign();
        var majority = (byCount ? sign : stack).sum(dim: 0).ge(Constant(0)).to_type(stack.dtype).mul(Constant(2)).sub(Constant(1));
        var agrees = sign.eq(majority);
        return weighted.mul(agrees).sum(dim: 0).div(agrees.sum(dim: 0).clamp(min: Constant(1)));
    }

    private static Tensor Prune(Tensor tensor, CombinationOptions options) => options.Kind switch
    {
        Combination.Ties or Combination.TiesSvd or Combination.MagnitudePrune or Combination.MagnitudePruneSvd => KeepLargest(tensor, options.Density!.Value),
        Combination.DareLinear or Combination.DareLinearSvd or Combination.DareTies or Combination.DareTiesSvd
            => tensor.mul(rand_like(tensor).lt(Constant(options.Density!.Value))).div(Constant(options.Density!.Value)),
        _ => tensor,
    };

    private static Tensor KeepLargest(Tensor tensor, double density)
    {
        var flat = tensor.reshape(-1);
        var (_, indices) = flat.abs().topk((int)(density * flat.numel()));
        return zeros_like(flat).index_copy(0, indices, flat.index_select(0, indices)).view(tensor.shape);
    }
}
