using System.Text;
using System.Text.Json;

namespace Peft.Checkpoints;

/// <summary>Reads JSON strictly. Rejects content that readers could interpret differently: duplicate keys, invalid text, numbers out of range.</summary>
internal static class JsonFile
{
    private static readonly JsonDocumentOptions Strict = new() { AllowDuplicateProperties = false };

    /// <summary>Reads a small text file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="maxBytes">Maximum size in bytes.</param>
    /// <exception cref="CheckpointException">The file is missing, is not a file, cannot be read, or is too large.</exception>
    public static string Read(string path, int maxBytes = 64 << 20)
    {
        if (Directory.Exists(path)) throw new CheckpointException(path, "is a folder, but should be a file.");
        try
        {
            // Does not rely on the reported length: a device has no length and may never end.
            using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete);
            using var content = new MemoryStream();
            var buffer = new byte[32 << 10];
            for (int count; (count = stream.Read(buffer)) > 0;)
            {
                content.Write(buffer, 0, count);
                if (content.Length > maxBytes) throw new CheckpointException(path, $"has more than {maxBytes} bytes: it is not the kind of file that its name suggests.");
            }
            return new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(content.GetBuffer().AsSpan(0, (int)content.Length)).TrimStart('\uFEFF');
        }
        catch (Exception error) when (error is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new CheckpointException(path, LinkOf(path) is { } target ? $"is a link to {target}, which does not exist." : "there is no such file.", error);
        }
        catch (DecoderFallbackException error)
        {
            throw new CheckpointException(path, "is not text in UTF-8: it is damaged, or not the kind of file that its name suggests.", error);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            throw new CheckpointException(path, $"cannot be read ({error.Message})", error);
        }
    }

    /// <summary>Parses JSON text.</summary>
    /// <exception cref="JsonException">The text is not valid, or is ambiguous; the message says what is wrong and where.</exception>
    public static JsonDocument Parse(string json)
    {
        JsonDocument document;
        try
        {
            document = JsonDocument.Parse(json, Strict);
        }
        catch (Exception error) when (error is InvalidOperationException or ArgumentException)
        {
            throw new JsonException("A string contains an unpaired surrogate.", error);   // found while comparing keys
        }
        try
        {
            Check(document.RootElement, "$");
            return document;
        }
        catch
        {
            document.Dispose();
            throw;
        }
    }

    private static void Check(JsonElement element, string path)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.Object:
                foreach (var property in element.EnumerateObject()) Check(property.Value, $"{path}.{Text(() => property.Name, path)}");
                break;
            case JsonValueKind.Array:
                int index = 0;
                foreach (var item in element.EnumerateArray()) Check(item, $"{path}[{index++}]");
                break;
            case JsonValueKind.String:
                Text(() => element.GetString()!, path);
                break;
            case JsonValueKind.Number when !element.TryGetDouble(out double number) || double.IsInfinity(number):
                throw new JsonException($"The number at {path} is out of range.");
        }
    }

    private static string Text(Func<string> read, string path)
    {
        try
        {
            return read();
        }
        catch (InvalidOperationException error)
        {
            throw new JsonException($"The string at {path} contains an unpaired surrogate.", error);
        }
    }

    private static string? LinkOf(string path)
    {
        try
        {
            return File.ResolveLinkTarget(path, returnFinalTarget: false)?.FullName;
        }
        catch (IOException)
        {
            return null;
        }
    }
}
