using System.Buffers.Binary;
using static TorchSharp.torch;

namespace Peft.Checkpoints;

/// <summary>
/// An open safetensors file (https://huggingface.co/docs/safetensors). Opening reads and checks only the header. Each tensor is later read
/// directly into its own memory, a large one by several threads. Nothing else of the file is kept in memory.
/// </summary>
public sealed class SafetensorsFile : ITensorSource
{
    internal const string MetadataKey = "__metadata__";
    internal const int MaxHeaderBytes = 100_000_000; // the limit of the reference implementation

    private readonly TensorFile file;
    private readonly OrderedDictionary<string, TensorEntry> tensors;

    private SafetensorsFile(TensorFile file)
    {
        this.file = file;
        (tensors, Metadata) = SafetensorsHeader.Parse(file.Path, ReadHeader(), file.Length);
    }

    /// <summary>Path of the file, as it was passed to <see cref="Open"/>.</summary>
    public string Path => file.Path;

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, TensorEntry> Tensors => tensors;

    /// <summary>Names of the tensors, in the order of the file.</summary>
    public IReadOnlyList<string> Keys => tensors.Keys;

    /// <summary>The <c>__metadata__</c> of the file, usually <c>format = pt</c>; empty if it has none.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>Opens a file and checks its header.</summary>
    /// <exception cref="CheckpointException">The file is missing, of another format, damaged, or has a header that does not fit its length.</exception>
    /// <exception cref="NativeLibraryException">TorchSharp's native libraries cannot be loaded.</exception>
    public static SafetensorsFile Open(string path) => TensorFile.Open(path, "safetensors", file => new SafetensorsFile(file));

    /// <inheritdoc/>
    public Tensor Read(string name, Device? device = null, ScalarType? dtype = null) => file.Read(Find(name), device, dtype);

    /// <inheritdoc/>
    public Tensor ReadBytes(string name, Device? device = null) => file.ReadBytes(Find(name), device);

    /// <inheritdoc/>
    public void CopyInto(string name, Tensor destination) => file.CopyInto(Find(name), destination);

    /// <summary>Closes the file. Tensors that were read stay valid.</summary>
    public void Dispose() => file.Dispose();

    private byte[] ReadHeader()
    {
        var start = file.Start();
        if (ForeignFile.Recognise(start) is { } other) throw new CheckpointException(Path, other);
        if (file.Length < sizeof(ulong)) throw Damaged($"it has {file.Length} bytes, fewer than the eight of the header length: the file is truncated");
        ulong length = BinaryPrimitives.ReadUInt64LittleEndian(start);
        if (length == 0) throw Damaged("the header length is 0");
        if (length > MaxHeaderBytes) throw Damaged($"the header length is {length} bytes, above the limit of {MaxHeaderBytes}");
        if ((long)length > file.Length - sizeof(ulong))
            throw Damaged($"the header length is {length} bytes, but only {file.Length - sizeof(ulong)} follow: the file is truncated");
        var header = new byte[length];
        file.ReadExactly(header, sizeof(ulong));
        return header;
    }

    private TensorEntry Find(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return tensors.TryGetValue(name, out var entry) ? entry : throw TensorNotFound(Path, name, tensors.Keys);
    }

    internal static CheckpointException TensorNotFound(string path, string name, IReadOnlyCollection<string> names)
        => new(path, $"has no tensor '{name}'. It contains {names.Count}: {string.Join(", ", names.Take(5))}{(names.Count > 5 ? ", …" : "")}");

    private CheckpointException Damaged(string problem) => new(Path, $"not a valid safetensors file: {problem}.");
}
