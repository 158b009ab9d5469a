namespace Peft.Checkpoints;

/// <summary>
/// The format of <c>torch.save</c> before PyTorch 1.6: five pickles (a magic number, the version 1001, the sizes of C's types, the value, the
/// keys of the storages), and then each storage in the order of the keys: its length as eight bytes, and its elements.
/// </summary>
internal static class PyTorchLegacy
{
    // PROTO 2, LONG1 of the ten bytes 0x1950a86a20f9469cfc6c, STOP.
    private static ReadOnlySpan<byte> Magic => [0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, (byte)'.'];

    public static bool Is(ReadOnlySpan<byte> start) => start.StartsWith(Magic);

    /// <inheritdoc cref="PyTorchArchive.Read"/>
    public static (object? Value, Func<PyTorchStorage, long> Locate) Read(TensorFile file)
    {
        var input = new PickleStream(file, Magic.Length, file.Length);
        if (new PickleMachine(input).Run() is not 1001L) throw PyTorchFile.Invalid(file.Path, "its format is not version 1001");
        var system = new PickleMachine(input).Run() as PickleDict;
        if (system?.Items.Any(item => item is ("little_endian", false)) != false) throw PyTorchFile.Invalid(file.Path, "it is not little-endian: convert it to safetensors");
        var value = new PickleMachine(input).Run();
        var keys = new PickleMachine(input).Run() as List<object?> ?? throw PyTorchFile.Invalid(file.Path, "it lists no storages");
        return (value, Locator(file, input.Position, keys, ElementSizes(value)));
    }

    private static Func<PyTorchStorage, long> Locator(TensorFile file, long position, List<object?> keys, Dictionary<string, int> sizes)
    {
        var locations = new Dictionary<string, (long Start, long Length)>();
        Span<byte> length = stackalloc byte[sizeof(long)];
        foreach (var each in keys)
        {
            if (each is not string key || !sizes.TryGetValue(key, out int size)) throw PyTorchFile.Invalid(file.Path, "it lists a storage that no tensor uses");
            if (position > file.Length - sizeof(long)) throw Truncated();
            file.ReadExactly(length, position);
            position += sizeof(long);
            long elements = BitConverter.ToInt64(length);
            if (elements < 0 || elements > (file.Length - position) / size) throw Truncated();
            if (!locations.TryAdd(key, (position, elements))) throw PyTorchFile.Invalid(file.Path, $"it lists storage '{key}' twice");
            position += elements * size;
        }
        return storage => !locations.TryGetValue(storage.Key, out var location) ? throw PyTorchFile.Invalid(file.Path, $"it has no storage '{storage.Key}'")
            : storage.Length <= location.Length && storage.ElementSize == sizes[storage.Key] ? location.Start
            : throw PyTorchFile.Invalid(file.Path, $"storage '{storage.Key}' has {location.Length} elements, but should have {storage.Length}");

        CheckpointException Truncated() => PyTorchFile.Invalid(file.Path, "a storage runs past its end: the file is truncated");
    }

    private static Dictionary<string, int> ElementSizes(object? value)
    {
        var sizes = new Dictionary<string, int>();
        if (value is not PickleDict dict) return sizes;
        foreach (var (_, item) in dict.Items)
        {
            if (item is PyTorchTensor { Storage: var storage }) sizes.TryAdd(storage.Key, storage.ElementSize);
        }
        return sizes;
    }
}
