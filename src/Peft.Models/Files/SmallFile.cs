namespace Peft.Models;

/// <summary>Reads whole files that strangers may have made: not more of them than a limit, and what goes wrong in the caller's exception.</summary>
internal static class SmallFile
{
    /// <summary>Whether there is anything by that name, be it a folder or a link to nothing: what cannot be read then is no file that is missing.</summary>
    public static bool Exists(string path) => Path.Exists(path) || new FileInfo(path).LinkTarget is not null;

    /// <summary>The file's bytes.</summary>
    /// <param name="path">The file.</param>
    /// <param name="most">How many bytes it may have.</param>
    /// <param name="remedy">What to do if it has more.</param>
    /// <param name="failure">Makes the exception of a message and a cause.</param>
    public static byte[] Read(string path, long most, string remedy, Func<string, Exception?, PeftException> failure)
    {
        try
        {
            using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
            return Read(stream, most) ?? throw failure($"{path} has more than {most:N0} bytes. {remedy}", null);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            throw failure($"{path} cannot be read: {(Directory.Exists(path) ? "it is a folder." : exception.Message)}", exception);
        }
    }

    // Some files, such as devices, have no length, or another one than they say.
    static byte[]? Read(FileStream stream, long most)
    {
        var said = stream.CanSeek ? stream.Length : 0;
        if (said > most) return null;
        using var content = new MemoryStream((int)Math.Min(said, Array.MaxLength));
        var buffer = new byte[1 << 16];
        for (var count = 1; count > 0;)
        {
            count = stream.Read(buffer);
            if (content.Length + count > Math.Min(most, Array.MaxLength)) return null;
            content.Write(buffer, 0, count);
        }
        return content.Length == content.Capacity ? content.GetBuffer() : content.ToArray();
    }
}
