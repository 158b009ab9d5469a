using System.Text;

namespace Peft.Testing;

/// <summary>Damages text files as accidents and attackers do: bits, cuts, pieces doubled or missing, and JSON's own dangers.</summary>
public static class JsonMutator
{
    private static readonly string[] Values =
    [
        "null", "true", "-1", "0", "1e400", "-1e400", "1e-400", "2000000000", "99999999999999999999", "4294967297", "2147483647", "-2147483648", "9223372036854775807", "0.5", "NaN", "[]", "{}", "[null]", "{\"a\":null}", "\"\"", "\"x\"",
        "\"\\ud800\"", "\"\\u0000\"", "\"../../evil\"", "\"/dev/zero\"", "\"(a+)+$\"", "\"[\"", "\"(\"", "[[1]]", "[1,2,3]", "[\"a\",\"a\"]", "{\"a\":1,\"a\":2}", "{\"x\":{\"y\":[]}}", "{\"q_proj\":2000000000}", "{\"q_proj\":-1}", "[-1]", "[2147483648]",
        new string('[', 70) + new string(']', 70), new string('[', 100_000), "\"" + new string('x', 100_000) + "\"", "1" + new string('0', 10_000),
    ];

    public static byte[] Damage(byte[] content, Random random)
    {
        for (int n = random.Next(1, 3); n > 0 && content.Length > 0; n--) content = Once(content, random);
        return content;
    }

    private static byte[] Once(byte[] content, Random random)
    {
        int at = random.Next(content.Length), length = Math.Min(random.Next(1, 40), content.Length - at);
        switch (random.Next(9))
        {
            case 0:
                byte[] changed = [.. content];
                changed[at] ^= (byte)(1 << random.Next(8));
                return changed;
            case 1: return content[..at];
            case 2: return [.. content[..at], .. content[at..(at + length)], .. content[at..]];
            case 3: return [.. content[..at], .. content[(at + length)..]];
            default: return Value(content, random);
        }
    }

    // Another value after a colon: what a field must not hold.
    private static byte[] Value(byte[] content, Random random)
    {
        string text = Encoding.Latin1.GetString(content);
        int[] colons = [.. Enumerable.Range(0, text.Length).Where(i => text[i] == ':')];
        if (colons.Length == 0) return content;
        int start = colons[random.Next(colons.Length)] + 1, end = start, depth = 0;
        for (bool quoted = false; end < text.Length; end++)
        {
            char c = text[end];
            if (c == '"' && text[end - 1] != '\\') quoted = !quoted;
            if (quoted) continue;
            if (c is '[' or '{') depth++;
            if (c is ',' or '}' or ']' && depth == 0) break;
            if (c is ']' or '}') depth--;
        }
        return Encoding.Latin1.GetBytes(text[..start] + Values[random.Next(Values.Length)] + text[end..]);
    }
}
