using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace Peft;

/// <summary>
/// Tensors backed by one file each, which the operating system writes out when memory is short, without swap space. On Linux and macOS, the files are unlinked immediately, so that they disappear when the
/// process ends for any reason. On Windows, they are deleted on disposal.
/// </summary>
internal sealed partial class PagedMemory : IDisposable
{
    private const int ChunkBytes = 1 << 20;
    private const int DontNeed = 4;   // MADV_DONTNEED of Linux: a page of a shared file is read from the file again when it is used

    private readonly string folder;
    private readonly List<string> files = [];
    private readonly List<(nint Address, nuint Bytes)> maps = [];

    /// <param name="folder">The folder of the files; null for the temporary folder.</param>
    /// <exception cref="TrainingException">The folder does not exist.</exception>
    public PagedMemory(string? folder)
    {
        this.folder = Path.GetFullPath(folder ?? Path.GetTempPath());
        if (!Directory.Exists(this.folder)) throw new TrainingException($"The folder {this.folder} for paged optimizer states does not exist: create it, or set PageFolder to another folder.");
    }

    /// <summary>Creates a tensor of zeros on the CPU, outside any dispose scope.</summary>
    /// <param name="shape">Its shape.</param>
    /// <param name="type">Its dtype.</param>
    /// <exception cref="TrainingException">The disk is full, or the folder cannot be written.</exception>
    public Tensor Zeros(ReadOnlySpan<long> shape, ScalarType type)
    {
        using var one = empty(1, type);
        var count = shape.ToArray().Aggregate(Int128.One, (product, size) => product * size);
        var bytes = count * one.ElementSize;
        if (bytes == 0) return zeros(shape.ToArray(), type).DetachFromDisposeScope();
        if (bytes > Free()) throw Full(bytes, null);
        var path = Path.Combine(folder, $"peft-optimizer-{Guid.NewGuid():N}.tmp");
        try
        {
            Fill(path, (long)bytes);
            using var flat = from_file(path, shared: true, (long)count, type);
            maps.Add((TensorAddress.Of(flat), (nuint)bytes));
            return flat.view(shape.ToArray()).DetachFromDisposeScope();
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or System.Runtime.InteropServices.ExternalException)
        {
            throw Full(bytes, error);
        }
        finally
        {
            if (!Delete(path)) files.Add(path);
        }
    }

    /// <summary>Removes the tensors, which must not have been disposed, from the resident memory of the process: their values stay in the system's file cache, which shrinks when memory is short. No effect on other systems than Linux.</summary>
    public void Evict()
    {
        if (!OperatingSystem.IsLinux()) return;
        foreach (var (address, bytes) in maps) _ = Advise(address, bytes, DontNeed);
    }

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int Advise(nint address, nuint bytes, int advice);

    // Writes the zeros instead of leaving holes: a write to a hole on a full disk would kill the process.
    private static void Fill(string path, long bytes)
    {
        using var handle = File.OpenHandle(path, FileMode.CreateNew, FileAccess.Write, FileShare.None, FileOptions.None, bytes);
        var chunk = new byte[Math.Min(ChunkBytes, bytes)];
        for (long at = 0; at < bytes; at += chunk.Length) RandomAccess.Write(handle, chunk.AsSpan(0, (int)Math.Min(chunk.Length, bytes - at)), at);
    }

    private long Free()
    {
        try
        {
            return new DriveInfo(folder).AvailableFreeSpace;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or ArgumentException)
        {
            return long.MaxValue;   // unknown: the write fails if it is too little
        }
    }

    private TrainingException Full(Int128 bytes, Exception? error)
        => new($"A paged optimizer state of {bytes:N0} bytes cannot be written to {folder}{(error is null ? $", which has {Free():N0} bytes free" : $" ({error.Message.Split('\n')[0]})")}: set PageFolder to a folder on a larger disk.", error);

    private static bool Delete(string path)
    {
        try
        {
            File.Delete(path);
            return true;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return false;   // Windows keeps mapped files
        }
    }

    /// <summary>Deletes the remaining files. The tensors must have been disposed.</summary>
    public void Dispose() => files.RemoveAll(Delete);
}
