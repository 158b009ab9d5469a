using System.Security.Cryptography;
using System.Text;

namespace Peft;

/// <summary>The hash of everything that tokenized rows follow from: the rows, the tokenizer, and the settings.</summary>
internal static class TokenizedContent
{
    // Increase it when the same content gives other tokens or another format.
    private const string Version = "2";

    /// <summary>The hash, in hexadecimal digits.</summary>
    /// <param name="settings">The type of the dataset, and its settings.</param>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <param name="rows">The rows as texts.</param>
    /// <exception cref="ArgumentException">The tokenizer has no fingerprint.</exception>
    public static string Hash(string settings, ITokenizer tokenizer, IEnumerable<string> rows)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Append(hash, Version);
        Append(hash, settings);
        Append(hash, tokenizer.Fingerprint() ?? throw new ArgumentException($"A token cache must notice when the tokenizer changes, but a {tokenizer.GetType().Name} has no fingerprint: implement {nameof(ITokenizer)}.{nameof(ITokenizer.Fingerprint)}, or leave the cache out.", nameof(tokenizer)));
        foreach (var row in rows) Append(hash, row);
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    // With its length, so that two texts cannot be divided differently.
    private static void Append(IncrementalHash hash, string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        hash.AppendData(BitConverter.GetBytes(bytes.Length));
        hash.AppendData(bytes);
    }
}
