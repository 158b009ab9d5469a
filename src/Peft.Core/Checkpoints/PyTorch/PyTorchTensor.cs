namespace Peft.Checkpoints;

/// <summary>The description of a tensor in a file: a strided view of a storage, from an element offset.</summary>
internal sealed record PyTorchTensor(PyTorchStorage Storage, SafetensorsType Format, long Offset, long[] Shape, long[] Strides)
{
    // Repeated elements take no space in the file. If they need more memory than this, the file is considered malicious.
    private const long MaxRepeatedBytes = 1 << 20;

    /// <summary>Locates the tensor's elements.</summary>
    /// <param name="name">Name of the tensor.</param>
    /// <param name="at">Position of the storage in the file.</param>
    /// <param name="invalid">Creates the exception.</param>
    public TensorEntry Entry(string name, long at, Func<string, CheckpointException> invalid)
    {
        string shown = $"tensor '{name}' of shape [{string.Join(", ", Shape)}] and strides [{string.Join(", ", Strides)}]";
        long bytes = Format.ByteLength(Shape) ?? throw invalid($"{shown} has too many elements");
        int size = Format.Bits / 8;
        long available = Storage.Length * Storage.ElementSize / size, spanned = Span();
        if (bytes > 0 && (Offset > available || spanned > available - Offset))
            throw invalid($"{shown} starts at element {Offset} and ends outside its storage of {available}");
        if (bytes > MaxRepeatedBytes && bytes / size > available) throw invalid($"{shown} repeats the {available} elements of its storage");
        bool dense = bytes == 0 || IsDense();
        return new(name, Format, Shape, bytes == 0 ? at : at + Offset * size, bytes) { Strides = dense ? null : Strides, Spanned = spanned };
    }

    private long Span()
    {
        UInt128 last = 0;
        for (int i = 0; i < Shape.Length; i++)
        {
            if (Shape[i] == 0) return 0;
            last += (UInt128)(ulong)(Shape[i] - 1) * (ulong)Strides[i];   // the sum of 64 such products cannot overflow
            if (last >= long.MaxValue) return long.MaxValue;
        }
        return (long)last + 1;
    }

    private bool IsDense()
    {
        long expected = 1;
        for (int i = Shape.Length - 1; i >= 0; expected *= Shape[i--])
        {
            if (Shape[i] != 1 && Strides[i] != expected) return false;
        }
        return true;
    }
}
