using System.Text;
using System.Text.RegularExpressions;

namespace Peft.Tokenizers.Tests.Limits;

/// <summary>Changes to valid inputs, as strangers and broken disks make them; the same for the same seed.</summary>
internal sealed partial class Mutations(int seed)
{
    // What stands for a value of any kind.
    private static readonly string[] Values =
    [
        "null", "true", "0", "-1", "1e308", "1e400", "2147483647", "2147483648", "-2147483649", "4294967301", "9223372036854775807", "99999999999999999999", "0.5", "\"\"", "\"a\"", "\"\\ud800\"", "\"\\u0000\"",
        "[]", "{}", "[[]]", "[null]", "{\"a\":null}", "{\"a\":1,\"a\":2}", "[0,0]", "\"Sequence\"", "65536",
    ];

    private readonly Random random = new(seed);

    public int Next(int most) => random.Next(most);

    public T Pick<T>(IReadOnlyList<T> items) => items[random.Next(items.Count)];

    /// <summary>JSON with a few of its values or names replaced, repeated or taken out, or cut.</summary>
    public string Json(string json)
    {
        for (var n = random.Next(1, 4); n > 0; n--)
        {
            var tokens = Token().Matches(json);
            if (tokens.Count == 0) return json;
            var (from, to) = (Pick(tokens), Pick(tokens));
            json = random.Next(8) switch
            {
                <= 3 => json[..from.Index] + Pick(Values) + json[(from.Index + from.Length)..],
                4 => json[..from.Index] + to.Value + json[(from.Index + from.Length)..],
                5 => json.Insert(from.Index, from.Value + ",") is var twice && random.Next(2) == 0 ? twice : json.Remove(from.Index, from.Length),
                6 => Field().Matches(json) is { Count: > 0 } fields && Pick(fields) is var field ? json.Insert(field.Index, field.Value + ",") : json,
                _ => Text(json),
            };
        }
        return json;
    }

    /// <summary>A text with a few characters changed, or parts of it repeated or moved.</summary>
    public string Text(string text, string? other = null)
    {
        if (text.Length == 0) return text;
        other ??= text;
        var (at, from) = (random.Next(text.Length), random.Next(other.Length));
        var part = other.AsSpan(from, Math.Min(random.Next(1, 40), other.Length - from));
        return random.Next(6) switch
        {
            0 => text.Remove(at, Math.Min(random.Next(1, 20), text.Length - at)),
            1 => string.Concat(text.AsSpan(0, at), string.Concat(Enumerable.Repeat(part.ToString(), random.Next(2, 200))), text.AsSpan(at)),
            2 => text[..at],
            3 => string.Concat(text.AsSpan(0, at), ((char)random.Next(0x20, 0x2100)).ToString(), text.AsSpan(at + 1)),
            _ => string.Concat(text.AsSpan(0, at), part, text.AsSpan(at)),
        };
    }

    /// <summary>Bytes with a few changed, inserted, or cut off.</summary>
    public byte[] Bytes(byte[] bytes)
    {
        var result = new List<byte>(bytes);
        for (var n = random.Next(1, 5); n > 0 && result.Count > 0; n--)
        {
            // The settings of a SentencePiece model stand at its end.
            var at = random.Next(2) == 0 ? random.Next(result.Count) : result.Count - 1 - random.Next(Math.Min(result.Count, 900));
            switch (random.Next(8))
            {
                case 0: result.RemoveRange(at, result.Count - at); break;
                case 1: result.RemoveRange(at, Math.Min(random.Next(1, 30), result.Count - at)); break;
                case 2: result.InsertRange(at, Enumerable.Repeat((byte)random.Next(256), random.Next(1, 12))); break;
                case 3: result.InsertRange(at, result.GetRange(at, Math.Min(random.Next(1, 60), result.Count - at))); break;
                default: result[at] = (byte)(random.Next(4) == 0 ? 0xFF : random.Next(256)); break;
            }
        }
        return [.. result];
    }

    /// <summary>A text that tokenizers find hard: of letters, signs, spaces and rare characters, some of them many times.</summary>
    public string Hard()
    {
        string[] parts = ["a", "Hello", " ", "\n", "  ", "<s>", "</s>", "[MASK]", "\u2581", "\uFDFA", "\u0130", "é", "e\u0301", "中", "\U0001F600", "\uD800", "0", "'s", "\0", "ﬁ", "\u00A0", "<0x41>", "##", "."];
        var text = new StringBuilder();
        for (var n = random.Next(1, 30); n > 0; n--) text.Insert(text.Length, Pick(parts), random.Next(10) == 0 ? random.Next(1, 3000) : 1);
        return text.ToString();
    }

    [GeneratedRegex("\"(?:[^\"\\\\]|\\\\.)*\"|-?[0-9.eE+]+|true|false|null")]
    private static partial Regex Token();

    [GeneratedRegex("\"(?:[^\"\\\\]|\\\\.)*\"\\s*:\\s*(?:\"(?:[^\"\\\\]|\\\\.)*\"|-?[0-9.eE+]+|true|false|null)")]
    private static partial Regex Field();
}
