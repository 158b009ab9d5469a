using System.Buffers;
using System.Security.Cryptography;

namespace Peft.Models;

/// <summary>Compares a file with the hash that the hub names it by.</summary>
internal static class BlobHash
{
    /// <summary>What a stream's hash is, if it is not the etag; null if it is, or if the etag is no hash.</summary>
    /// <param name="stream">The whole file.</param>
    /// <param name="etag">SHA-256, or SHA-1 as git computes it for a blob.</param>
    /// <param name="stop">Ends the reading.</param>
    public static async Task<string?> MismatchAsync(Stream stream, string etag, CancellationToken stop)
    {
        if (etag.Length is not (64 or 40) || !etag.All(char.IsAsciiHexDigit)) return null;   // a mirror's own
        using var hash = IncrementalHash.CreateHash(etag.Length == 64 ? HashAlgorithmName.SHA256 : HashAlgorithmName.SHA1);
        if (etag.Length == 40) hash.AppendData(System.Text.Encoding.ASCII.GetBytes($"blob {stream.Length}\0"));
        var buffer = ArrayPool<byte>.Shared.Rent(1 << 20);
        try
        {
            stream.Position = 0;
            int count;
            while ((count = await stream.ReadAsync(buffer, stop).ConfigureAwait(false)) > 0) hash.AppendData(buffer, 0, count);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
        var found = Convert.ToHexStringLower(hash.GetHashAndReset());
        return string.Equals(found, etag, StringComparison.OrdinalIgnoreCase) ? null : found;
    }
}
