using System.Text;

namespace Peft.Checkpoints;

/// <summary>
/// The format of <c>torch.save</c> since PyTorch 1.6: a zip archive with the pickle <c>data.pkl</c> and the storages <c>data/0</c>, <c>data/1</c>, …, all in
/// one folder of any name.
/// </summary>
internal static class PyTorchArchive
{
    private const string Pickle = "data.pkl";

    public static bool Is(ReadOnlySpan<byte> start) => start.StartsWith("PK\x3\x4"u8);

    /// <summary>Reads the pickled value, and a function that returns the position of a storage in the file.</summary>
    public static (object? Value, Func<PyTorchStorage, long> Locate) Read(TensorFile file)
    {
        var directory = new ZipDirectory(file);
        var pickles = directory.Names.Where(name => name == Pickle || (name.EndsWith("/" + Pickle, StringComparison.Ordinal) && name.AsSpan().Count('/') == 1)).Take(2).ToList();
        if (pickles.Count != 1) throw PyTorchFile.Invalid(file.Path, $"the zip archive contains {(pickles.Count == 0 ? "no" : "more than one")} {Pickle}, so torch.save did not write it");
        string folder = pickles[0][..^Pickle.Length];
        if (directory.Names.Contains(folder + "constants.pkl"))
            throw new CheckpointException(file.Path, "is a TorchScript program, not only weights. Save the model's state_dict() to safetensors instead.");
        if (directory.Names.Contains(folder + "byteorder")) RequireLittleEndian(file, directory.Find(folder + "byteorder"));

        var (start, length) = directory.Find(pickles[0]);
        var value = new PickleMachine(new(file, start, start + length)).Run();
        return (value, Locate);

        long Locate(PyTorchStorage storage)
        {
            string name = $"{folder}data/{storage.Key}";
            var (at, bytes) = directory.Find(name);
            return storage.Length * storage.ElementSize <= bytes ? at
                : throw PyTorchFile.Invalid(file.Path, $"its entry '{name}' has {bytes} bytes, but should contain {storage.Length} elements of {storage.ElementSize} bytes");
        }
    }

    private static void RequireLittleEndian(TensorFile file, (long Start, long Length) entry)
    {
        Span<byte> order = stackalloc byte[(int)Math.Min(entry.Length, 16)];
        file.ReadExactly(order, entry.Start);
        if (!order.SequenceEqual("little"u8))
            throw PyTorchFile.Invalid(file.Path, $"its byte order is '{Encoding.ASCII.GetString(order)}', but only 'little' is supported: convert it to safetensors");
    }
}
