using System.Buffers.Binary;
using Microsoft.Win32.SafeHandles;
using static TorchSharp.torch;

namespace Peft.Checkpoints;

/// <summary>
/// An open safetensors file (https://huggingface.co/docs/safetensors). Opening reads and checks the header only; each tensor is then read
/// straight into its own memory, large ones by several threads, and nothing else of the file is held.
/// </summary>
/// <remarks>
/// Positional reads instead of a memory map: a mapped page counts as memory of the process beside the tensor it was copied to, and a mapped
/// file that another program truncates kills the process instead of raising an error.
/// </remarks>
public sealed class SafetensorsFile : ITensorSource
{
    internal const string MetadataKey = "__metadata__";
    internal const int MostHeaderBytes = 100_000_000; // the limit of the reference implementation

    // Stays in the cache of a core, and below the size from which libtorch spreads a copy over threads: the chunks are spread already.
    const int ConvertedAtOnce = 16_384;

    readonly SafeFileHandle handle;
    readonly OrderedDictionary<string, TensorEntry> tensors;

    SafetensorsFile(string path, SafeFileHandle handle)
    {
        Path = path;
        this.handle = handle;
        (tensors, Metadata) = SafetensorsHeader.Parse(path, ReadHeader(out long length), length);
    }

    /// <summary>The file, as it was given to <see cref="Open"/>.</summary>
    public string Path { get; }

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, TensorEntry> Tensors => tensors;

    /// <summary>Names of the tensors, in the order of the file.</summary>
    public IReadOnlyList<string> Keys => tensors.Keys;

    /// <summary>The <c>__metadata__</c> of the file, usually <c>format = pt</c>; empty if it has none.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>Opens a file and checks its header.</summary>
    /// <exception cref="CheckpointException">The file is missing, is something else, is damaged, or has a header that contradicts it.</exception>
    /// <exception cref="NativeLibraryException">TorchSharp's native libraries cannot be loaded.</exception>
    public static SafetensorsFile Open(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        TorchRuntime.Require();
        if (Directory.Exists(path)) throw new CheckpointException(path, "is a folder. Name the safetensors file inside it.");
        SafeFileHandle? handle = null;
        try
        {
            // Sharing deletion lets a writer replace the file on Windows while it is open here.
            handle = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete);
            return new(path, handle);
        }
        catch (Exception error)
        {
            handle?.Dispose();
            if (error is FileNotFoundException or DirectoryNotFoundException)
                throw new CheckpointException(path, "there is no such file.", error);
            if (error is IOException or UnauthorizedAccessException or NotSupportedException)
                throw new CheckpointException(path, $"cannot be read ({error.Message})", error);
            throw;
        }
    }

    /// <inheritdoc/>
    public Tensor Read(string name, Device? device = null, ScalarType? dtype = null)
    {
        var entry = Find(name);
        var tensor = empty(entry.Dimensions, dtype ?? Readable(entry), device ?? CPU);
        try
        {
            Fill(entry, tensor);
            return tensor;
        }
        catch
        {
            tensor.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public void CopyInto(string name, Tensor destination)
    {
        ArgumentNullException.ThrowIfNull(destination);
        var entry = Find(name);
        long[] wanted = destination.shape;
        if (!wanted.AsSpan().SequenceEqual(entry.Dimensions))
            throw new CheckpointException(Path, $"tensor '{name}' has shape [{string.Join(", ", entry.Shape)}], but [{string.Join(", ", wanted)}] is needed.");
        if (destination.is_contiguous())
        {
            Fill(entry, destination);
            return;
        }
        using var whole = Read(name, destination.device, destination.dtype);
        using var target = destination.detach();
        target.copy_(whole).Dispose();
    }

    /// <summary>Closes the file. Tensors that were read stay valid.</summary>
    public void Dispose() => handle.Dispose();

    void Fill(TensorEntry entry, Tensor destination)
    {
        var type = Readable(entry);
        if (entry.ByteLength == 0) return;
        using var detached = destination.detach();
        using var flat = detached.view(-1);
        int size = entry.Format.Bits / 8;
        bool onCpu = flat.device_type == TorchSharp.DeviceType.CPU;
        if (onCpu && flat.dtype == type) TensorChunks.ForEachInParallel(flat, size, (part, start) => ReadInto(entry, start, part.bytes));
        else if (onCpu) TensorChunks.ForEachInParallel(flat, size, (part, start) => Convert(entry, start, part, ConvertedAtOnce));
        else Convert(entry, 0, flat, TensorChunks.Bytes / size);
    }

    /// <summary>Reads through a staging buffer of the stored type, <paramref name="count"/> elements at a time.</summary>
    void Convert(TensorEntry entry, long start, Tensor destination, int count)
    {
        using var staging = empty(Math.Min(destination.numel(), count), Readable(entry), CPU);
        TensorChunks.ForEach(destination, entry.Format.Bits / 8, count, (part, offset) =>
        {
            using var staged = staging.narrow(0, 0, part.numel());
            ReadInto(entry, start + offset, staged.bytes);
            part.copy_(staged).Dispose();
        });
    }

    void ReadInto(TensorEntry entry, long start, Span<byte> bytes)
    {
        ReadExactly(bytes, entry.Offset + start);
        if (entry.Type == ScalarType.Bool)
        {
            // To libtorch a bool that is neither 0 nor 1 is undefined behaviour; only a damaged file has one.
            for (int i; (i = bytes.IndexOfAnyExceptInRange((byte)0, (byte)1)) >= 0; bytes = bytes[(i + 1)..]) bytes[i] = 1;
        }
    }

    byte[] ReadHeader(out long fileLength)
    {
        fileLength = RandomAccess.GetLength(handle);
        Span<byte> start = stackalloc byte[(int)Math.Min(fileLength, ForeignFile.Looked)];
        ReadExactly(start, 0);
        if (ForeignFile.Recognise(start) is { } other) throw new CheckpointException(Path, other);
        if (fileLength < sizeof(ulong)) throw Damaged($"it has {fileLength} bytes, fewer than the eight of the header length: the file is truncated");
        ulong length = BinaryPrimitives.ReadUInt64LittleEndian(start);
        if (length == 0) throw Damaged("the header length is 0");
        if (length > MostHeaderBytes) throw Damaged($"the header length is {length} bytes, above the limit of {MostHeaderBytes}");
        if ((long)length > fileLength - sizeof(ulong))
            throw Damaged($"the header length is {length} bytes, but only {fileLength - sizeof(ulong)} follow: the file is truncated");
        var header = new byte[length];
        ReadExactly(header, sizeof(ulong));
        return header;
    }

    void ReadExactly(Span<byte> bytes, long offset)
    {
        while (!bytes.IsEmpty)
        {
            int count;
            try
            {
                count = RandomAccess.Read(handle, bytes, offset);
            }
            catch (IOException error)
            {
                throw new CheckpointException(Path, $"cannot be read at byte {offset} ({error.Message})", error);
            }
            if (count == 0) throw new CheckpointException(Path, $"ends at byte {offset}: the file was truncated while it was open.");
            bytes = bytes[count..];
            offset += count;
        }
    }

    TensorEntry Find(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return tensors.TryGetValue(name, out var entry) ? entry : throw TensorNotFound(Path, name, tensors.Keys);
    }

    internal static CheckpointException TensorNotFound(string path, string name, IReadOnlyCollection<string> names)
        => new(path, $"has no tensor '{name}'. It holds {names.Count}: {string.Join(", ", names.Take(5))}{(names.Count > 5 ? ", …" : "")}");

    ScalarType Readable(TensorEntry entry) => entry.Type
        ?? throw new CheckpointException(Path, $"tensor '{entry.Name}' has type {entry.TypeName}, which TorchSharp does not have. Convert the file to F32, F16, BF16, I64 or U8.");

    CheckpointException Damaged(string problem) => new(Path, $"not a valid safetensors file: {problem}.");
}
