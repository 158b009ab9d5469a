namespace Peft.Tokenizers;

/// <summary>GPT-2's byte alphabet: maps each of the 256 bytes to a visible character.</summary>
internal static class ByteAlphabet
{
    private static readonly char[] Letters = CreateLetters();
    private static readonly Dictionary<char, byte> Bytes = Enumerable.Range(0, 256).ToDictionary(value => Letters[value], value => (byte)value);

    /// <summary>The character of a space.</summary>
    public static char Space => Letters[' '];

    /// <summary>The character of a byte.</summary>
    public static char LetterOf(byte value) => Letters[value];

    /// <summary>The byte of a character.</summary>
    public static bool TryGetByte(char letter, out byte value) => Bytes.TryGetValue(letter, out value);

    /// <summary>Converts text to the alphabet. All characters of a code point keep its offset in the original.</summary>
    public static void Spell(NormalizedText text)
    {
        if (System.Text.Ascii.IsValid(text.Text))
        {
            text.ReplaceUnits(string.Create(text.Text.Length, text.Text, (span, ascii) =>
            {
                for (var i = 0; i < span.Length; i++)
                    span[i] = Letters[ascii[i]];
            }));
            return;
        }
        var edits = new List<CharEdit>(text.Text.Length * 2);
        Span<byte> bytes = stackalloc byte[4];
        foreach (var rune in text.Text.EnumerateRunes())
        {
            var count = rune.EncodeToUtf8(bytes);
            for (var i = 0; i < count; i++)
                edits.Add(new(new(Letters[bytes[i]]), i == 0 ? 0 : 1));
        }
        text.Transform(edits);
    }

    private static char[] CreateLetters()
    {
        var letters = new char[256];
        var next = 256;
        for (var value = 0; value < 256; value++)
            letters[value] = value is (>= '!' and <= '~') or (>= 0xA1 and <= 0xAC) or (>= 0xAE and <= 0xFF) ? (char)value : (char)next++;
        return letters;
    }
}
