using static TorchSharp.torch;

namespace Peft;

/// <summary>What tensors must be that a user gives.</summary>
internal static class TensorRules
{
    /// <summary>Refuses null and a disposed tensor.</summary>
    public static Tensor RequireAlive(Tensor? tensor, string name)
    {
        ArgumentNullException.ThrowIfNull(tensor, name);
        return tensor.IsInvalid ? throw new ObjectDisposedException(name, $"{name} is a tensor that was disposed, or whose dispose scope has ended: give one that still exists.") : tensor;
    }

    /// <summary>Refuses a tensor without so many dimensions.</summary>
    /// <param name="tensor">The tensor.</param>
    /// <param name="name">What the caller knows it by.</param>
    /// <param name="shape">Its dimensions in words: <c>[batch, sequence]</c>.</param>
    /// <param name="remedy">What to do.</param>
    /// <returns>Its shape.</returns>
    public static long[] RequireRank(Tensor? tensor, string name, string shape, string remedy = "")
    {
        var actual = RequireAlive(tensor, name).shape;
        return actual.Length == shape.Count(letter => letter == ',') + 1 ? actual : throw new ArgumentException($"{name} is {Describe(tensor!)}, but must be {shape}{remedy}.", name);
    }

    /// <summary>Refuses what are no token ids: whole numbers <c>[batch, sequence]</c>, at least one.</summary>
    /// <returns>Their shape.</returns>
    public static long[] RequireIds(Tensor? ids, string name)
    {
        var shape = RequireRank(ids, name, "[batch, sequence]", RequireAlive(ids, name).shape.Length == 1 ? ": make one row of it, ids.unsqueeze(0)" : "");
        RequireWhole(ids!, name);
        if (shape[0] == 0 || shape[1] == 0) throw new ArgumentException($"{name} is {Describe(ids!)}: there must be at least one row with one token.", name);
        return shape;
    }

    /// <summary>Refuses numbers that are no indices.</summary>
    public static void RequireWhole(Tensor tensor, string name)
    {
        if (tensor.dtype is not (ScalarType.Int64 or ScalarType.Int32))
            throw new ArgumentException($"{name} is {Describe(tensor)}, but must be whole numbers, int64 or int32: convert them, to_type(ScalarType.Int64).", name);
    }

    /// <summary>A tensor's type and shape.</summary>
    public static string Describe(Tensor tensor) => $"{tensor.dtype} [{string.Join(", ", tensor.shape)}]";

    /// <summary>The first number that is no index of so many; null if all are.</summary>
    public static long? Outside(Tensor ids, long count)
    {
        using var scope = NewDisposeScope();
        var outside = ids.lt(Kept(0)).logical_or(ids.ge(Kept(count)));
        return outside.any().item<bool>() ? ids.masked_select(outside)[0].to_type(ScalarType.Int64).item<long>() : null;
    }
}
