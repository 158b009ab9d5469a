namespace Peft.Tokenizers;

/// <summary>Converts tokens to bytes by <see cref="ByteAlphabet"/>. A token with any other character is converted to its UTF-8 bytes.</summary>
internal sealed class ByteLevelDecoder : IDecoder
{
    public List<string> Decode(List<string> tokens, TextBudget budget)
    {
        var bytes = new List<byte>(tokens.Sum(token => token.Length));
        foreach (var token in tokens)
        {
            var start = bytes.Count;
            foreach (var letter in token)
            {
                if (!ByteAlphabet.TryGetByte(letter, out var value))
                {
                    bytes.RemoveRange(start, bytes.Count - start);
                    bytes.AddRange(System.Text.Encoding.UTF8.GetBytes(token));
                    break;
                }
                bytes.Add(value);
            }
        }
        return [System.Text.Encoding.UTF8.GetString([.. bytes])];
    }
}
