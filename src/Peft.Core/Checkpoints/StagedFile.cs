namespace Peft.Checkpoints;

/// <summary>A file written to the disk under a temporary name beside its destination, waiting for <see cref="Commit"/>. Disposing it uncommitted removes it.</summary>
internal sealed class StagedFile : IDisposable
{
    readonly string destination, temporary;

    StagedFile(string destination)
    {
        this.destination = destination;
        temporary = Path.Combine(Path.GetDirectoryName(destination)!, $".{Guid.NewGuid():N}.tmp");
    }

    /// <inheritdoc cref="AtomicFile.Write"/>
    public static StagedFile Create(string path, Action<Stream> write, long length = 0)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        string destination = Path.GetFullPath(path);
        if (Directory.Exists(destination)) throw new CheckpointException(path, "is a folder, so no file can be written there.");
        var staged = new StagedFile(destination);
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(destination)!);
            staged.Fill(write, length);
            return staged;
        }
        catch (Exception error)
        {
            staged.Dispose();
            if (DiskFault.Is(error)) throw staged.NotWritten(error);
            throw;
        }
    }

    /// <summary>Puts the file in its place, replacing one that is there.</summary>
    public void Commit()
    {
        try
        {
            File.Move(temporary, destination, overwrite: true);
        }
        catch (Exception error) when (DiskFault.Is(error))
        {
            throw NotWritten(error);
        }
    }

    /// <summary>Removes the temporary file if it was not committed.</summary>
    public void Dispose()
    {
        try
        {
            File.Delete(temporary);
        }
        catch (Exception error) when (DiskFault.Is(error))
        {
            // The error that led here matters more than a leftover file.
        }
    }

    void Fill(Action<Stream> write, long length)
    {
        using var stream = new FileStream(temporary, new FileStreamOptions
        {
            Mode = FileMode.CreateNew,
            Access = FileAccess.Write,
            PreallocationSize = length,
        });
        write(stream);
        stream.Flush(flushToDisk: true);
    }

    CheckpointException NotWritten(Exception error)
        => new(destination, $"could not be written ({error.Message}) A file that was there before is unchanged.", error);
}
