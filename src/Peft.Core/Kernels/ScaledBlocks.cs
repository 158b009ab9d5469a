using static TorchSharp.torch;

namespace Peft.Kernels;

/// <summary>Blocks of a flattened tensor as values in [-1, 1] times a scale, the largest absolute value of the block. The last block may be shorter.</summary>
internal static class ScaledBlocks
{
    /// <summary>Computes the scales <c>[blocks]</c> in float32.</summary>
    public static Tensor Largest(Tensor flat, int size)
    {
        using var scope = NewDisposeScope();
        var whole = flat.numel() / size * size;
        var parts = new List<Tensor>();
        if (whole > 0) parts.Add(flat.narrow(0, 0, whole).view(-1, size).abs().amax([1]));
        if (whole < flat.numel()) parts.Add(flat.narrow(0, whole, flat.numel() - whole).abs().amax([0]).reshape(1));
        return cat(parts).to_type(ScalarType.Float32).MoveToOuterDisposeScope();
    }

    /// <summary>Divides a range of a tensor by its scales. Returns float32 values in [-1, 1]; 0 in a block of zeros.</summary>
    /// <param name="flat">The range: complete blocks, except at the end of the tensor.</param>
    /// <param name="scales">The scales of its blocks.</param>
    /// <param name="size">Values per block.</param>
    public static Tensor Divide(Tensor flat, Tensor scales, int size)
    {
        using var scope = NewDisposeScope();
        // Like bitsandbytes: multiply by the reciprocal.
        var reciprocal = scales.reciprocal().masked_fill_(scales.eq(Constant(0)), Constant(0));
        return Times(flat.to_type(ScalarType.Float32), reciprocal, size).nan_to_num(0).clamp_(Constant(-1), Constant(1)).MoveToOuterDisposeScope();
    }

    /// <summary>Multiplies each block by its scale.</summary>
    public static Tensor Times(Tensor flat, Tensor scales, int size)
    {
        var whole = flat.numel() / size;
        var rest = flat.numel() - whole * size;
        if (rest == 0) return flat.view(-1, size).mul(scales.unsqueeze(1)).view(-1);
        var last = flat.narrow(0, whole * size, rest).mul(scales.narrow(0, whole, 1));
        return whole == 0 ? last : cat([flat.narrow(0, 0, whole * size).view(-1, size).mul(scales.narrow(0, 0, whole).unsqueeze(1)).view(-1), last]);
    }
}
