namespace Peft;

/// <summary>Reads untrusted files up to a size limit, and converts errors to the caller's exception.</summary>
internal static class SmallFile
{
    /// <summary>True if the path exists in any form, even as a folder or a dangling link. Such a path is unreadable, not missing.</summary>
    public static bool Exists(string path) => Path.Exists(path) || new FileInfo(path).LinkTarget is not null;

    /// <summary>Reads the bytes of a file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="maxBytes">Maximum number of bytes.</param>
    /// <param name="remedy">What to do if the file is larger.</param>
    /// <param name="failure">Creates the exception from a message and a cause.</param>
    public static byte[] Read(string path, long maxBytes, string remedy, Func<string, Exception?, PeftException> failure)
    {
        try
        {
            using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
            return Read(stream, maxBytes) ?? throw failure($"{path} has more than {maxBytes:N0} bytes. {remedy}", null);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            throw failure($"{path} cannot be read: {(Directory.Exists(path) ? "it is a folder." : exception.Message)}", exception);
        }
    }

    // Some files, such as devices, have no length or report a wrong one.
    private static byte[]? Read(FileStream stream, long maxBytes)
    {
        var reported = stream.CanSeek ? stream.Length : 0;
        if (reported > maxBytes) return null;
        using var content = new MemoryStream((int)Math.Min(reported, Array.MaxLength));
        var buffer = new byte[1 << 16];
        for (var count = 1; count > 0;)
        {
            count = stream.Read(buffer);
            if (content.Length + count > Math.Min(maxBytes, Array.MaxLength)) return null;
            content.Write(buffer, 0, count);
        }
        return content.Length == content.Capacity ? content.GetBuffer() : content.ToArray();
    }
}
