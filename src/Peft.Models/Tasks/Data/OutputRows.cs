using static TorchSharp.torch;

namespace Peft.Models;

internal static class OutputRows
{
    /// <summary>The values of each row of a tensor <c>[rows, …]</c>.</summary>
    public static IEnumerable<float[]> ToRows(this Tensor output)
    {
        using var scope = NewDisposeScope();
        var width = (int)(output.numel() / output.size(0));
        return output.detach().to_type(ScalarType.Float32).cpu().contiguous().data<float>().ToArray().Chunk(width);
    }
}
