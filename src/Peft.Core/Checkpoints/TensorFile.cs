using Microsoft.Win32.SafeHandles;
using static TorchSharp.torch;

namespace Peft.Checkpoints;

/// <summary>An open file of tensors, in any format. It reads bytes at given positions directly into the memory of tensors, large ones by several threads.</summary>
/// <remarks>
/// Uses positional reads instead of a memory map: a mapped page counts as memory of the process in addition to the tensor to which it was copied, and if another
/// program truncates a mapped file, the process is killed instead of receiving an error.
/// </remarks>
internal sealed class TensorFile : IByteSource, IDisposable
{
    // Fits into a core's cache, and is below the size at which libtorch copies with several threads: the chunks are already processed in parallel.
    private const int ConversionChunk = 16_384;

    private readonly SafeFileHandle handle;

    private TensorFile(string path, SafeFileHandle handle) => (Path, this.handle, Length) = (path, handle, RandomAccess.GetLength(handle));

    public string Path { get; }

    /// <summary>Length of the file in bytes when it was opened.</summary>
    public long Length { get; }

    /// <summary>Opens a file and reads the descriptions of its tensors.</summary>
    /// <param name="path">The file.</param>
    /// <param name="kind">The expected format, for error messages.</param>
    /// <param name="read">Reads the descriptions. If it throws, the file is closed.</param>
    public static T Open<T>(string path, string kind, Func<TensorFile, T> read)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        TorchRuntime.Require();
        if (Directory.Exists(path)) throw new CheckpointException(path, $"is a folder. Pass the path of the {kind} file in it.");
        FolderSave.Recover(System.IO.Path.GetDirectoryName(System.IO.Path.GetFullPath(path))!);
        SafeFileHandle? handle = null;
        try
        {
            // Sharing deletion lets a writer replace the file on Windows while it is open.
            handle = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete);
            return read(new(path, handle));
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

    /// <summary>Reads the first bytes of the file, at most as many as <see cref="ForeignFile"/> examines.</summary>
    public byte[] Start()
    {
        var start = new byte[(int)Math.Min(Length, ForeignFile.Looked)];
        ReadExactly(start, 0);
        return start;
    }

    /// <inheritdoc cref="ITensorSource.Read"/>
    public Tensor Read(TensorEntry entry, Device? device, ScalarType? dtype)
    {
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

    /// <inheritdoc cref="ITensorSource.ReadBytes"/>
    public Tensor ReadBytes(TensorEntry entry, Device? device)
    {
        if (entry.Strides is not null) throw new CheckpointException(Path, $"tensor '{entry.Name}' is not stored contiguously: save it again as a contiguous tensor.");
        var bytes = empty(entry.ByteLength, ScalarType.Byte, CPU);
        try
        {
            if (entry.ByteLength > 0) TensorChunks.ForEachInParallel(bytes, 1, (part, start) => ReadExactly(part.bytes, entry.Offset + start));
            if (device is null || device.type == TorchSharp.DeviceType.CPU) return bytes;
            using (bytes) return bytes.to(device);
        }
        catch
        {
            bytes.Dispose();
            throw;
        }
    }

    /// <inheritdoc cref="ITensorSource.CopyInto"/>
    public void CopyInto(TensorEntry entry, Tensor destination)
    {
        RequireShape(entry, destination);
        if (entry.Strides is not null || destination.is_contiguous())
        {
            Fill(entry, destination);
            return;
        }
        using var source = Read(entry, destination.device, destination.dtype);
        using var target = destination.detach();
        target.copy_(source).Dispose();
    }

    /// <summary>Throws if the destination's shape differs from the tensor's.</summary>
    public void RequireShape(TensorEntry entry, Tensor destination)
    {
        ArgumentNullException.ThrowIfNull(destination);
        long[] wanted = destination.shape;
        if (!wanted.AsSpan().SequenceEqual(entry.Dimensions))
            throw new CheckpointException(Path, $"tensor '{entry.Name}' has shape [{string.Join(", ", entry.Shape)}], but [{string.Join(", ", wanted)}] is required.");
    }

    public void ReadExactly(Span<byte> bytes, long offset)
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

    public void Dispose() => handle.Dispose();

    private void Fill(TensorEntry entry, Tensor destination)
    {
        var type = Readable(entry);
        if (entry.ByteLength == 0) return;
        using var detached = destination.detach();
        if (entry.Strides is { } strides)
        {
            using var spanned = empty(entry.Spanned, type, CPU);
            FillFlat(entry, type, spanned);
            using var view = spanned.as_strided(entry.Dimensions, strides, 0);
            detached.copy_(view).Dispose();
            return;
        }
        using var flat = detached.view(-1);
        FillFlat(entry, type, flat);
    }

    private void FillFlat(TensorEntry entry, ScalarType type, Tensor flat)
    {
        int size = entry.Format.Bits / 8;
        bool onCpu = flat.device_type == TorchSharp.DeviceType.CPU;
        if (onCpu && flat.dtype == type) TensorChunks.ForEachInParallel(flat, size, (part, start) => ReadInto(entry, start, part.bytes));
        else if (onCpu) TensorChunks.ForEachInParallel(flat, size, (part, start) => Convert(entry, start, part, ConversionChunk));
        else Convert(entry, 0, flat, TensorChunks.Bytes / size);
    }

    /// <summary>Reads through a staging buffer of the stored dtype, <paramref name="count"/> elements at a time.</summary>
    private void Convert(TensorEntry entry, long start, Tensor destination, int count)
    {
        using var staging = empty(Math.Min(destination.numel(), count), Readable(entry), CPU);
        TensorChunks.ForEach(destination, entry.Format.Bits / 8, count, (part, offset) =>
        {
            using var staged = staging.narrow(0, 0, part.numel());
            ReadInto(entry, start + offset, staged.bytes);
            part.copy_(staged).Dispose();
        });
    }

    private void ReadInto(TensorEntry entry, long start, Span<byte> bytes)
    {
        ReadExactly(bytes, entry.Offset + start);
        if (entry.Type == ScalarType.Bool)
        {
            // A bool other than 0 and 1 is undefined behavior in libtorch; only a damaged file contains one.
            for (int i; (i = bytes.IndexOfAnyExceptInRange((byte)0, (byte)1)) >= 0; bytes = bytes[(i + 1)..]) bytes[i] = 1;
        }
    }

    private ScalarType Readable(TensorEntry entry) => entry.Type
        ?? throw new CheckpointException(Path, $"tensor '{entry.Name}' has dtype {entry.TypeName}, which TorchSharp does not have. Convert the file to F32, F16, BF16, I64 or U8.");
}
