using System.Globalization;
using System.Text.Unicode;

namespace Peft.Tokenizers;

/// <summary>Decodes runs of byte tokens, such as <c>&lt;0xE4&gt;</c>, as UTF-8. In a run that is not valid UTF-8, each byte becomes U+FFFD.</summary>
internal sealed class ByteFallbackDecoder : IDecoder
{
    public List<string> Decode(List<string> tokens, TextBudget budget)
    {
        var result = new List<string>(tokens.Count);
        var run = new List<byte>();
        foreach (var token in tokens)
        {
            if (TryGetByte(token, out var value))
            {
                run.Add(value);
                continue;
            }
            Flush(run, result);
            result.Add(token);
        }
        Flush(run, result);
        return result;
    }

    /// <summary>True if a token represents a byte.</summary>
    public static bool TryGetByte(string token, out byte value)
    {
        value = 0;
        return token.Length == 6 && token.StartsWith("<0x", StringComparison.Ordinal) && token[5] == '>'
            && byte.TryParse(token.AsSpan(3, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out value);
    }

    private static void Flush(List<byte> run, List<string> result)
    {
        if (run.Count == 0)
            return;
        byte[] bytes = [.. run];
        if (Utf8.IsValid(bytes))
            result.Add(System.Text.Encoding.UTF8.GetString(bytes));
        else
            result.AddRange(Enumerable.Repeat("\uFFFD", bytes.Length));
        run.Clear();
    }
}
