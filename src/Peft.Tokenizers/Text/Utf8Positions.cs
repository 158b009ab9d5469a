namespace Peft.Tokenizers;

/// <summary>Maps byte positions of a text's UTF-8 encoding to UTF-16 positions.</summary>
internal readonly ref struct Utf8Positions
{
    private readonly int[]? characters;
    private readonly ReadOnlySpan<char> text;

    public Utf8Positions(ReadOnlySpan<char> text)
    {
        this.text = text;
        if (System.Text.Ascii.IsValid(text))
            return;
        characters = new int[System.Text.Encoding.UTF8.GetByteCount(text)];
        var position = 0;
        for (var i = 0; i < text.Length; i++)
        {
            var high = char.IsHighSurrogate(text[i]);
            var count = high ? 4 : text[i] < 0x80 ? 1 : text[i] < 0x800 ? 2 : 3;
            Array.Fill(characters, i, position, count);
            position += count;
            if (high)
                i++;
        }
    }

    /// <summary>The start of the character that contains a byte.</summary>
    public int StartOf(int position) => characters is null ? Math.Min(position, text.Length) : characters[Math.Min(position, characters.Length - 1)];

    /// <summary>The end of the character that contains the byte before a position.</summary>
    public int EndOf(int position)
    {
        if (characters is null)
            return Math.Min(position, text.Length);
        var start = characters[Math.Clamp(position - 1, 0, characters.Length - 1)];
        return start + (char.IsHighSurrogate(text[start]) ? 2 : 1);
    }
}
