using static TorchSharp.torch;

namespace Peft;

/// <summary>Checks tensors that a caller passes.</summary>
internal static class TensorRules
{
    /// <summary>Throws if a tensor is null or disposed.</summary>
    public static Tensor RequireAlive(Tensor? tensor, string name)
    {
        ArgumentNullException.ThrowIfNull(tensor, name);
        return tensor.IsInvalid ? throw new ObjectDisposedException(name, $"{name} is a tensor that was disposed, or whose dispose scope has ended: pass a live tensor.") : tensor;
    }

    /// <summary>Throws if a tensor has the wrong number of dimensions.</summary>
    /// <param name="tensor">The tensor.</param>
    /// <param name="name">The caller's name of the tensor.</param>
    /// <param name="shape">The expected dimensions: <c>[batch, sequence]</c>.</param>
    /// <param name="remedy">A hint for the error message.</param>
    /// <returns>Its shape.</returns>
    public static long[] RequireRank(Tensor? tensor, string name, string shape, string remedy = "")
    {
        var actual = RequireAlive(tensor, name).shape;
        return actual.Length == shape.Count(letter => letter == ',') + 1 ? actual : throw new ArgumentException($"{name} is {Describe(tensor!)}, but must be {shape}{remedy}.", name);
    }

    /// <summary>Throws if a tensor does not contain token ids: integers <c>[batch, sequence]</c>, at least one.</summary>
    /// <returns>Their shape.</returns>
    public static long[] RequireIds(Tensor? ids, string name)
    {
        var shape = RequireRank(ids, name, "[batch, sequence]", RequireAlive(ids, name).shape.Length == 1 ? ": add a batch dimension with ids.unsqueeze(0)" : "");
        RequireWhole(ids!, name);
        if (shape[0] == 0 || shape[1] == 0) throw new ArgumentException($"{name} is {Describe(ids!)}: there must be at least one row with one token.", name);
        return shape;
    }

    /// <summary>Throws if a tensor does not contain integers.</summary>
    public static void RequireWhole(Tensor tensor, string name)
    {
        if (tensor.dtype is not (ScalarType.Int64 or ScalarType.Int32))
            throw new ArgumentException($"{name} is {Describe(tensor)}, but must be integers, int64 or int32: convert them with to_type(ScalarType.Int64).", name);
    }

    /// <summary>Formats the dtype and shape of a tensor.</summary>
    public static string Describe(Tensor tensor) => $"{tensor.dtype} [{string.Join(", ", tensor.shape)}]";

    /// <summary>Finds the first index outside <c>[0, count)</c>; null if there is none.</summary>
    public static long? Outside(Tensor ids, long count)
    {
        using var scope = NewDisposeScope();
        var outside = ids.lt(Constant(0)).logical_or(ids.ge(Constant(count)));
        return outside.any().item<bool>() ? ids.masked_select(outside)[0].to_type(ScalarType.Int64).item<long>() : null;
    }
}
