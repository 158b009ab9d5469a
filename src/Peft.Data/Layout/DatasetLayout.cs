using Microsoft.Extensions.FileSystemGlobbing;

namespace Peft.Data;

/// <summary>The files of a folder or repository by split: as the card (<c>README.md</c>) says, or else by their names.</summary>
/// <param name="source">The folder or repository, for errors.</param>
/// <param name="names">Names of all its files, relative to it.</param>
/// <param name="card">The card; null if there is none.</param>
internal sealed class DatasetLayout(string source, IEnumerable<string> names, DatasetCard? card)
{
    private readonly string[] files = [.. names.Where(IsData).Order(StringComparer.Ordinal)];

    /// <summary>The layout of a folder.</summary>
    public static DatasetLayout Of(string folder, string source)
        => new(source, NumberedLines.Guarded(folder, () => Directory.GetFiles(folder, "*", SearchOption.AllDirectories)).Select(file => Path.GetRelativePath(folder, file).Replace('\\', '/')), DatasetCard.Read(folder));

    /// <summary>The names of the splits.</summary>
    /// <exception cref="DatasetException">There are no data files, or no such configuration.</exception>
    public IReadOnlyList<string> Splits(DatasetOptions options) => [.. Layout(options).Keys];

    /// <summary>The names of the files to read, in order: those of a split, or those that match the patterns of the options.</summary>
    /// <exception cref="DatasetException">There are no such files, or no such configuration or split.</exception>
    public IReadOnlyList<string> Files(DatasetOptions options)
    {
        if (options.Files is { } patterns) return Matching(patterns);
        var splits = Layout(options);
        var split = splits.ContainsKey(options.Split) ? options.Split : splits.Keys.FirstOrDefault(each => SplitNames.Normal(each) == SplitNames.Normal(options.Split));
        return split is not null ? splits[split]() : throw new DatasetException($"{source} has no split \"{options.Split}\". Splits found: {string.Join(", ", splits.Keys)}.");
    }

    private Dictionary<string, Func<IReadOnlyList<string>>> Layout(DatasetOptions options)
    {
        var splits = card is { Configurations.Count: > 0 } ? ByCard(card, options.Configuration)
            : options.Configuration is { } unknown ? throw new DatasetException($"{source} has no configuration \"{unknown}\": its {DatasetCard.FileName} names none.")
            : ByName();
        return splits.Count > 0 ? splits : throw new DatasetException($"{source} has no data files. Formats: {string.Join(", ", DataFile.Extensions)}.");
    }

    private IReadOnlyList<string> Matching(IReadOnlyList<string> patterns) => [.. patterns.SelectMany(pattern =>
    {
        var matcher = Glob.Of([pattern]);
        var found = files.Where(file => matcher.Match(file).HasMatches).ToArray();
        return found.Length > 0 ? found : throw new DatasetException($"No file of {source} matches '{pattern}'. Files found: {string.Join(", ", files.Take(20))}.");
    }).Distinct()];

    private Dictionary<string, Func<IReadOnlyList<string>>> ByCard(DatasetCard described, string? configuration)
    {
        var all = described.Configurations;
        var chosen = configuration is null
            ? all.FirstOrDefault(each => each.IsDefault) ?? all.FirstOrDefault(each => each.Name == "default") ?? (all.Count == 1 ? all[0] : null)
            : all.FirstOrDefault(each => each.Name == configuration);
        if (chosen is null)
            throw new DatasetException($"{source} has {(configuration is null ? "several configurations" : $"no configuration \"{configuration}\"")}: choose one of {string.Join(", ", all.Select(each => each.Name))} ({nameof(DatasetOptions)}.{nameof(DatasetOptions.Configuration)}).");
        return chosen.Files.ToDictionary(each => each.Key, each => (Func<IReadOnlyList<string>>)(() => Matching(each.Value)));
    }

    // As Hugging Face's datasets: the format that most files have; if no file name indicates a split, all files are for training.
    private Dictionary<string, Func<IReadOnlyList<string>>> ByName()
    {
        var extension = files.GroupBy(DataFile.ExtensionOf).OrderByDescending(each => each.Count()).ThenBy(each => each.Key, StringComparer.Ordinal).FirstOrDefault()?.Key;
        var data = files.Where(file => DataFile.ExtensionOf(file) == extension).ToArray();
        var told = data.Where(file => SplitNames.Of(file) is not null).ToArray();
        return (told.Length > 0 ? told : data).GroupBy(file => SplitNames.Of(file) ?? "train").ToDictionary(each => each.Key, each => (Func<IReadOnlyList<string>>)(() => [.. each]));
    }

    private static bool IsData(string file) => !file.Split('/').Any(part => part.StartsWith('.')) && DataFile.Extensions.Contains(DataFile.ExtensionOf(file)) && !IsDescription(file);

    // Files that save_to_disk and the hub write next to the data.
    private static bool IsDescription(string file) => Path.GetFileName(file) is "dataset_info.json" or "dataset_infos.json" or "state.json" or "dataset_dict.json";
}
