using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Peft;

/// <summary>
/// Parses JSON strictly, so that using it cannot fail later. Rejects duplicate names, which parsers resolve differently, unpaired
/// surrogates, and invalid UTF-8.
/// </summary>
internal static class StrictJson
{
    private static readonly JsonDocumentOptions Options = new() { AllowDuplicateProperties = false };

    /// <summary>Parses a document with an object.</summary>
    /// <param name="json">UTF-8, with or without a byte order mark.</param>
    /// <param name="source">Origin of the JSON, for errors.</param>
    /// <param name="failure">Creates the exception from a message and a cause.</param>
    public static JsonDocument Document(ReadOnlyMemory<byte> json, string source, Func<string, Exception?, PeftException> failure) => Checked(source, failure, () =>
    {
        json = json[MarkOf(json.Span)..];
        RequireText(json.Span);
        var document = JsonDocument.Parse(json, Options);
        if (document.RootElement.ValueKind == JsonValueKind.Object) return document;
        document.Dispose();
        throw failure($"{source} is not a JSON object.", null);
    });

    /// <summary>Parses a document with any value; null if the text is invalid.</summary>
    public static JsonDocument? Try(string text)
    {
        try
        {
            RequireText(System.Text.Encoding.UTF8.GetBytes(text));
            return JsonDocument.Parse(text, Options);
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            return null;
        }
    }

    /// <summary>Parses a mutable value.</summary>
    /// <exception cref="JsonException">The text is invalid.</exception>
    public static JsonNode? Value(string text)
    {
        RequireText(System.Text.Encoding.UTF8.GetBytes(text));
        return JsonNode.Parse(text, documentOptions: Options);
    }

    /// <summary>True if a string is valid JSON.</summary>
    public static bool IsValue(string text)
    {
        using var document = Try(text);
        return document is not null;
    }

    /// <summary>Parses a mutable object.</summary>
    /// <param name="json">UTF-8, with or without a byte order mark.</param>
    /// <param name="source">Origin of the JSON, for errors.</param>
    /// <param name="failure">Creates the exception from a message and a cause.</param>
    public static JsonObject Object(ReadOnlyMemory<byte> json, string source, Func<string, Exception?, PeftException> failure) => Checked(source, failure, () =>
    {
        json = json[MarkOf(json.Span)..];
        RequireText(json.Span);
        return JsonNode.Parse(json.Span, documentOptions: Options) as JsonObject ?? throw failure($"{source} is not a JSON object.", null);
    });

    /// <summary>Decodes UTF-8, without its byte order mark.</summary>
    public static string Text(ReadOnlySpan<byte> utf8) => System.Text.Encoding.UTF8.GetString(utf8[MarkOf(utf8)..]);

    private static T Checked<T>(string source, Func<string, Exception?, PeftException> failure, Func<T> read)
    {
        try
        {
            return read();
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            throw failure($"{source} is not valid JSON, perhaps truncated: {exception.Message}", exception);
        }
    }

    private static int MarkOf(ReadOnlySpan<byte> utf8) => utf8.StartsWith("\uFEFF"u8) ? 3 : 0;

    // Unpaired surrogates are only possible in escapes: UTF-8 cannot encode them.
    private static void RequireText(ReadOnlySpan<byte> json)
    {
        if (!System.Text.Unicode.Utf8.IsValid(json)) throw new JsonException("It contains bytes that are not UTF-8.");
        for (var at = 0; json[at..].IndexOf((byte)'\\') is >= 0 and var found;)
        {
            at += found;
            var length = 2;
            if (Unit(json, at) is { } unit && char.IsSurrogate(unit))
            {
                if (!char.IsHighSurrogate(unit) || Unit(json, at + 6) is not { } low || !char.IsLowSurrogate(low))
                    throw new JsonException(string.Create(CultureInfo.InvariantCulture, $"'\\u{(int)unit:x4}' at byte {at} is half of a surrogate pair, which is not a character. Add the other half, or use '\\ufffd'."));
                length = 12;
            }
            at = Math.Min(at + length, json.Length);
        }
    }

    private static char? Unit(ReadOnlySpan<byte> json, int at)
        => at + 6 <= json.Length && json[at] == '\\' && json[at + 1] == 'u' && ushort.TryParse(json.Slice(at + 2, 4), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var unit) ? (char)unit : null;
}
