namespace Peft;

/// <summary>Reads the lines of a UTF-8 text file during enumeration.</summary>
internal static class NumberedLines
{
    /// <summary>Enumerates the lines, with their numbers from 1.</summary>
    /// <param name="path">The file, for errors.</param>
    /// <param name="open">Opens the file; null to open the path itself.</param>
    /// <exception cref="DatasetException">The file cannot be read, or is not UTF-8.</exception>
    public static IEnumerable<(string Text, int Number)> Read(string path, Func<Stream>? open = null)
    {
        using var reader = Guarded(path, () => Reader(open?.Invoke() ?? File.OpenRead(path)));
        for (var number = 1; Guarded(path, reader.ReadLine) is { } line; number++) yield return (line, number);
    }

    /// <summary>Reads UTF-8 text. Other bytes throw a <see cref="System.Text.DecoderFallbackException"/>.</summary>
    public static StreamReader Reader(Stream stream) => new(stream, Strict);

    /// <summary>Runs a function that reads a file.</summary>
    /// <exception cref="DatasetException">The file cannot be read.</exception>
    public static T Guarded<T>(string path, Func<T> read)
    {
        try
        {
            return read();
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new DatasetException($"The file {path} cannot be read: {error.Message}", error);
        }
        catch (System.Text.DecoderFallbackException error)
        {
            throw new DatasetException($"The file {path} is not UTF-8: {error.Message} Convert it first.", error);
        }
        catch (InvalidDataException error)
        {
            throw new DatasetException($"The file {path} is damaged: {error.Message}", error);
        }
    }

    private static readonly System.Text.UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);
}
