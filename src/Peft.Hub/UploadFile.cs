using System.Security.Cryptography;

namespace Peft.Hub;

/// <summary>A file to upload.</summary>
/// <param name="Name">Its name in the repository.</param>
/// <param name="Path">Its path on this machine.</param>
/// <param name="Size">Number of bytes.</param>
internal sealed record UploadFile(string Name, string Path, long Size)
{
    private const int SampleBytes = 512;

    /// <summary>Lists the files of a folder, in ordinal order.</summary>
    public static IReadOnlyList<UploadFile> Of(string folder, Func<string, bool>? filter)
        => [.. Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories)
            .Select(path => (Name: System.IO.Path.GetRelativePath(folder, path).Replace('\\', '/'), Path: path))
            .Where(file => !file.Name.Split('/').Any(part => part.StartsWith('.')) && (filter is null || filter(file.Name)))
            .OrderBy(file => file.Name, StringComparer.Ordinal)
            .Select(file => new UploadFile(file.Name, file.Path, new FileInfo(file.Path).Length))];

    /// <summary>Reads the first bytes, from which the hub decides how the file is stored.</summary>
    public byte[] Sample()
    {
        using var stream = File.OpenRead(Path);
        var sample = new byte[Math.Min(SampleBytes, Size)];
        stream.ReadExactly(sample);
        return sample;
    }

    /// <summary>Computes the SHA-256 of the content.</summary>
    public async Task<string> HashAsync(CancellationToken cancellationToken)
    {
        var stream = File.OpenRead(Path);
        await using var _ = stream.ConfigureAwait(false);
        return Convert.ToHexStringLower(await SHA256.HashDataAsync(stream, cancellationToken).ConfigureAwait(false));
    }
}
