using System.IO.Compression;

namespace Peft.Data;

/// <summary>Reads the rows of a file in the format that its extension names.</summary>
internal static class DataFile
{
    private static readonly Dictionary<string, Func<string, Func<Stream>, DatasetOptions, IEnumerable<DatasetRow>>> Readers = new(StringComparer.OrdinalIgnoreCase)
    {
        [".txt"] = (path, open, options) => TextRows.Read(path, open, options.TextUnit),
        [".jsonl"] = (path, open, _) => JsonRows.ReadLines(path, open),
        [".ndjson"] = (path, open, _) => JsonRows.ReadLines(path, open),
        [".json"] = (path, open, options) => JsonRows.Read(path, open, options.JsonField),
        [".csv"] = (path, open, _) => SeparatedRows.Read(path, open, ','),
        [".tsv"] = (path, open, _) => SeparatedRows.Read(path, open, '\t'),
        [".parquet"] = (path, _, _) => ParquetRows.Read(path),
        [".arrow"] = (path, _, _) => ArrowRows.Read(path),
    };

    /// <summary>Extensions of the formats, without that of compression.</summary>
    public static IEnumerable<string> Extensions => Readers.Keys;

    /// <summary>The extension that names the format of a file: without that of compression, in lower case.</summary>
    public static string ExtensionOf(string path) => Path.GetExtension(IsCompressed(path) ? path[..^3] : path).ToLowerInvariant();

    /// <summary>The rows of a file, read as they are enumerated.</summary>
    /// <exception cref="DatasetException">The format is unknown, or the file or a row is invalid.</exception>
    public static IEnumerable<DatasetRow> Read(string path, DatasetOptions options)
    {
        var extension = ExtensionOf(path);
        if (!Readers.TryGetValue(extension, out var read) || (IsCompressed(path) && extension is ".parquet" or ".arrow" && path.EndsWith(".gz", StringComparison.OrdinalIgnoreCase)))
            throw new DatasetException($"The format of {path} is unknown. Formats: {string.Join(", ", Extensions)}, and the texts of these also compressed with .gz.");
        return read(path, () => Open(path), options);
    }

    private static bool IsCompressed(string path) => path.EndsWith(".gz", StringComparison.OrdinalIgnoreCase);

    private static Stream Open(string path)
    {
        var file = File.OpenRead(path);
        return IsCompressed(path) ? new GZipStream(file, CompressionMode.Decompress) : file;
    }
}
