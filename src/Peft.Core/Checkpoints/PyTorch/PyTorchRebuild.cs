namespace Peft.Checkpoints;

/// <summary>The functions that <c>torch.save</c> refers to. They only describe tensors; a tensor is created when it is read from the file.</summary>
internal static class PyTorchRebuild
{
    /// <summary><c>OrderedDict()</c>, or Python 2's <c>OrderedDict([[key, value], …])</c>.</summary>
    public static object OrderedDict(object?[] arguments, Func<string, CheckpointException> refuse)
    {
        var dict = new PickleDict();
        if (arguments.Length == 0) return dict;
        if (arguments is not [List<object?> pairs]) throw refuse("an OrderedDict of something other than a list of pairs");
        foreach (var pair in pairs)
        {
            dict.Items.Add(pair switch
            {
                List<object?> { Count: 2 } two => (two[0], two[1]),
                object?[] { Length: 2 } two => (two[0], two[1]),
                _ => throw refuse("an OrderedDict of something other than a list of pairs"),
            });
        }
        return dict;
    }

    /// <summary><c>_rebuild_tensor_v2(storage, storage_offset, size, stride, requires_grad, backward_hooks, metadata=None)</c>.</summary>
    public static object Tensor(object?[] arguments, Func<string, CheckpointException> refuse)
    {
        if (arguments.Length is < 4 or > 7) throw refuse($"a tensor with {arguments.Length} arguments");
        return Describe(arguments, null, arguments.ElementAtOrDefault(6), refuse);
    }

    /// <summary><c>_rebuild_tensor_v3(storage, storage_offset, size, stride, requires_grad, backward_hooks, dtype, metadata=None)</c>.</summary>
    public static object TypedTensor(object?[] arguments, Func<string, CheckpointException> refuse)
    {
        if (arguments.Length is < 7 or > 8 || arguments[6] is not PyTorchType type) throw refuse("a tensor without a type");
        return Describe(arguments, type.Format, arguments.ElementAtOrDefault(7), refuse);
    }

    /// <summary><c>_rebuild_parameter(data, requires_grad, backward_hooks)</c>: the tensor itself.</summary>
    public static object Parameter(object?[] arguments, Func<string, CheckpointException> refuse)
        => arguments is [PyTorchTensor tensor, _, _] ? tensor : throw refuse("a parameter of something other than a tensor");

    private static PyTorchTensor Describe(object?[] arguments, SafetensorsType? type, object? metadata, Func<string, CheckpointException> refuse)
    {
        var storage = arguments[0] as PyTorchStorage ?? throw refuse("a tensor without a storage");
        if (arguments[1] is not long offset || offset < 0) throw refuse($"a tensor whose storage offset is {Shown(arguments[1])}");
        long[] shape = Lengths(arguments[2], "size", refuse), strides = Lengths(arguments[3], "stride", refuse);
        if (shape.Length != strides.Length) throw refuse($"a tensor of {shape.Length} dimensions and {strides.Length} strides");
        // The metadata flags are lazy conjugation and negation.
        if (metadata is not (null or PickleDict { Items.Count: 0 })) throw refuse("a tensor that is a lazy conjugate or negative: call resolve_conj() and resolve_neg() before saving it");
        type ??= storage.Format ?? throw refuse("a tensor of bytes without a type");
        return new(storage, type, offset, shape, strides);
    }

    private static long[] Lengths(object? value, string what, Func<string, CheckpointException> refuse)
    {
        if (value is not object?[] { Length: <= 64 } numbers || !numbers.All(number => number is >= 0L)) throw refuse($"a tensor whose {what} is {Shown(value)}, not a tuple of at most 64 lengths");
        return [.. numbers.Cast<long>()];
    }

    private static string Shown(object? value) => value switch
    {
        long number => $"{number}",
        object?[] { Length: <= 64 } tuple => $"({string.Join(", ", tuple.Select(each => each is long number ? $"{number}" : "something else"))})",
        _ => "something else",
    };
}
