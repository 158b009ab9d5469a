using System.Buffers;
using System.Security.Cryptography;

namespace Peft.Hub;

/// <summary>Verifies files against the hashes of the hub.</summary>
internal static class BlobHash
{
    /// <summary>Hashes a stream. Returns the hash if it differs from the etag; null if it matches, or if the etag is not a hash.</summary>
    /// <param name="stream">The file.</param>
    /// <param name="etag">SHA-256, or the SHA-1 of a git blob.</param>
    /// <param name="cancellationToken">Cancels the reading.</param>
    public static async Task<string?> MismatchAsync(Stream stream, string etag, CancellationToken cancellationToken)
    {
        if (etag.Length is not (64 or 40) || !etag.All(char.IsAsciiHexDigit)) return null;   // a mirror's own etag
        using var hash = IncrementalHash.CreateHash(etag.Length == 64 ? HashAlgorithmName.SHA256 : HashAlgorithmName.SHA1);
        if (etag.Length == 40) hash.AppendData(System.Text.Encoding.ASCII.GetBytes($"blob {stream.Length}\0"));
        var buffer = ArrayPool<byte>.Shared.Rent(1 << 20);
        try
        {
            stream.Position = 0;
            int count;
            while ((count = await stream.ReadAsync(buffer, cancellationToken).ConfigureAwait(false)) > 0) hash.AppendData(buffer, 0, count);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
        var found = Convert.ToHexStringLower(hash.GetHashAndReset());
        return string.Equals(found, etag, StringComparison.OrdinalIgnoreCase) ? null : found;
    }
}
