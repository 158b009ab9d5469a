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
        if (!Directory.Exists(source) && source.Contains('*')) return Matching(source);
        if (FolderOf(source, options) is not { } folder) throw Missing(source);
        var layout = DatasetLayout.Of(folder, source, options);
        if (options.Files is not null) return layout.Matching(options.Files);
        var split = SplitNames.Normal(options.Split);
        return layout.Splits.GetValueOrDefault(split)
            ?? throw new DatasetException($"{source} has no split \"{options.Split}\". Splits found: {string.Join(", ", layout.Splits.Keys)}.");
    }

    /// <summary>The names of the splits.</summary>
    public static IReadOnlyList<string> Splits(string source, DatasetOptions options)
        => FolderOf(source, options) is { } folder ? [.. DatasetLayout.Of(folder, source, options).Splits.Keys] : throw Missing(source);

    // A folder, or the downloaded files of a dataset on the hub.
    private static string? FolderOf(string source, DatasetOptions options)
    {
        if (Directory.Exists(source)) return source;
        if (!HubNames.IsRepository(source) || DataFile.Extensions.Contains(DataFile.ExtensionOf(source))) return null;
        using var hub = new HubClient(options.Hub);
        try
        {
            var matcher = options.Files is { } patterns ? Glob.Of(patterns) : null;
            return hub.DownloadDataset(source, options.Revision, name => name == DatasetCard.FileName || (matcher?.Match(name).HasMatches ?? DataFile.Extensions.Contains(DataFile.ExtensionOf(name))));
        }
        catch (HubException error)
        {
            throw new HubException(error.Reason, $"There is no file or folder '{source}', and the download of the dataset of this id from the hub failed. {error.Message}", error);
        }
    }

    private static string[] Matching(string pattern)
    {
        var (root, rest) = Glob.Rooted(pattern);
        var found = Directory.Exists(root) ? Glob.Of([rest]).GetResultsInFullPath(root).Order(StringComparer.Ordinal).ToArray() : [];
        return found.Length > 0 ? [.. found.Select(file => Path.GetRelativePath(Environment.CurrentDirectory, file) is var relative && relative.StartsWith("..", StringComparison.Ordinal) ? file : relative)]
            : throw new DatasetException($"No file matches '{pattern}'.");
    }

    private static DatasetException Missing(string source) => new($"There is no file or folder '{source}', and it is no id of a dataset on the hub (owner/name).");
}
