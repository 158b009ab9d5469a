using static TorchSharp.torch;

namespace Peft;

/// <summary>Sizes of tensors for code that runs in every step. <c>Tensor.shape</c> hands torch a new delegate each time, for which .NET makes native code, and which the garbage collector must look after.</summary>
internal static class TensorSizes
{
    /// <summary>The sizes of all dimensions.</summary>
    public static long[] Sizes(this Tensor tensor)
    {
        var sizes = new long[tensor.dim()];
        for (var i = 0; i < sizes.Length; i++) sizes[i] = tensor.size(i);
        return sizes;
    }
}
