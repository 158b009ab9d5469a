using System.Text;

namespace Peft.Tokenizers;

/// <summary>Reads text files line by line. Lines keep their line breaks, which are part of the text.</summary>
internal static class TextLines
{
    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>The lines of a UTF-8 file, read lazily.</summary>
    /// <exception cref="TokenizerException">The file cannot be read or is not UTF-8.</exception>
    public static IEnumerable<string> Read(string file)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(file);
        using var reader = Try(file, () => new StreamReader(file, Strict, detectEncodingFromByteOrderMarks: false));
        var (buffer, line) = (new char[1 << 16], new StringBuilder());
        while (Try(file, () => reader.Read(buffer, 0, buffer.Length)) is > 0 and var count)
        {
            var start = 0;
            while (Array.IndexOf(buffer, '\n', start, count - start) is >= 0 and var end)
            {
                yield return line.Append(buffer, start, end + 1 - start).ToString();
                line.Clear();
                start = end + 1;
            }
            line.Append(buffer, start, count - start);
        }
        if (line.Length > 0) yield return line.ToString();
    }

    private static T Try<T>(string file, Func<T> read)
    {
        try
        {
            return read();
        }
        catch (DecoderFallbackException exception)
        {
            throw new TokenizerException($"{file} is not UTF-8 text: {exception.Message}", exception);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new TokenizerException($"The text file {file} cannot be read: {exception.Message}", exception);
        }
    }
}
