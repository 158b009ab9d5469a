namespace Peft.Checkpoints;

/// <summary>Memory that tensors of a file share: <c>Length</c> elements of a type, or bytes if <c>Format</c> is null.</summary>
internal sealed record PyTorchStorage(SafetensorsType? Format, string Key, long Length)
{
    public int ElementSize => (Format?.Bits ?? 8) / 8;

    /// <summary>Reads a persistent id: <c>("storage", class, key, location, length)</c>; in the older format followed by a view, which must be None.</summary>
    public static PyTorchStorage From(object? id, Func<string, CheckpointException> refuse)
    {
        if (id is not object?[] { Length: 5 or 6 } parts || parts is not ["storage", PyTorchStorageClass kind, string key, string, long length, ..])
            throw refuse("a reference to something other than a storage of tensors (opcode BINPERSID)");
        if (parts is [.., not null] and { Length: 6 }) throw refuse("a storage that is a view of another one");
        return length >= 0 && length <= long.MaxValue / 16 ? new(kind.Format, key, length) : throw refuse($"a storage of {length} elements");
    }
}
