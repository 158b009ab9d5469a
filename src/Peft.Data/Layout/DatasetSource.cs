using Microsoft.Extensions.FileSystemGlobbing;
using Peft.Hub;

namespace Peft.Data;

/// <summary>Finds the files that a name stands for: a file, a pattern, a folder, or a dataset on the hub.</summary>
internal static class DatasetSource
{
    /// <summary>The files of a split, in order.</summary>
    public static IReadOnlyList<string> Resolve(string source, DatasetOptions options)
    {
        if (File.Exists(source)) return [source];
        if (Directory.Exists(source)) return Inside(source, DatasetLayout.Of(source, source).Files(options));
        if (source.Contains('*')) return Matching(source);
        return FromHub(source, options, (hub, commit, layout) =>
        {
            var files = layout.Files(options);
            return Inside(hub.DownloadDataset(source, commit, files.Contains), files);
        });
    }

    /// <summary>The names of the splits.</summary>
    public static IReadOnlyList<string> Splits(string source, DatasetOptions options)
        => Directory.Exists(source) ? DatasetLayout.Of(source, source).Splits(options) : FromHub(source, options, (_, _, layout) => layout.Splits(options));

    // The card and the names of all files are known before any data is downloaded, which may be far more than one split.
    private static IReadOnlyList<string> FromHub(string source, DatasetOptions options, Func<HubClient, string, DatasetLayout, IReadOnlyList<string>> read)
    {
        if (!HubNames.IsRepository(source) || DataFile.Extensions.Contains(DataFile.ExtensionOf(source))) throw Missing(source);
        using var hub = new HubClient(options.Hub);
        try
        {
            string[]? names = null;
            var folder = Task.Run(() => hub.DownloadAsync(RepoKind.Dataset, source, options.Revision, all =>
            {
                names = [.. all];
                return names.Contains(DatasetCard.FileName) ? [DatasetCard.FileName] : [.. names.Order(StringComparer.Ordinal).Take(1)];   // without a card some small file, such as .gitattributes
            }, default)).GetAwaiter().GetResult();
            // A snapshot that Python's client downloaded has no list of names: offline, its files are those there.
            return read(hub, Path.GetFileName(folder), names is null ? DatasetLayout.Of(folder, source) : new(source, names, DatasetCard.Read(folder)));
        }
        catch (HubException error)
        {
            throw new HubException(error.Reason, $"There is no file or folder '{source}', and the download of the dataset of this id from the hub failed. {error.Message}", error);
        }
    }

    private static IReadOnlyList<string> Inside(string folder, IReadOnlyList<string> files) => [.. files.Select(file => Path.Combine(folder, file))];

    private static string[] Matching(string pattern)
    {
        var (root, rest) = Glob.Rooted(pattern);
        var found = Directory.Exists(root) ? Glob.Of([rest]).GetResultsInFullPath(root).Order(StringComparer.Ordinal).ToArray() : [];
        return found.Length > 0 ? [.. found.Select(file => Path.GetRelativePath(Environment.CurrentDirectory, file) is var relative && relative.StartsWith("..", StringComparison.Ordinal) ? file : relative)]
            : throw new DatasetException($"No file matches '{pattern}'.");
    }

    private static DatasetException Missing(string source) => new($"There is no file or folder '{source}', and it is no id of a dataset on the hub (owner/name).");
}
