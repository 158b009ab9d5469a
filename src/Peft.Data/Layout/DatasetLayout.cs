using Microsoft.Extensions.FileSystemGlobbing;

namespace Peft.Data;

/// <summary>The files of a folder by split: as the card (<c>README.md</c>) says, or else by their names.</summary>
internal sealed class DatasetLayout
{
    private readonly string folder, name;
    private readonly string[] files;

    private DatasetLayout(string folder, string name)
    {
        (this.folder, this.name) = (folder, name);
        files = [.. NumberedLines.Guarded(folder, () => Directory.GetFiles(folder, "*", SearchOption.AllDirectories))
            .Select(file => Path.GetRelativePath(folder, file).Replace('\\', '/'))
            .Where(file => !file.Split('/').Any(part => part.StartsWith('.')) && DataFile.Extensions.Contains(DataFile.ExtensionOf(file)) && !IsDescription(file))
            .Order(StringComparer.Ordinal)];
    }

    /// <summary>Files by the names of the splits.</summary>
    public IReadOnlyDictionary<string, IReadOnlyList<string>> Splits { get; private init; } = new Dictionary<string, IReadOnlyList<string>>();

    /// <exception cref="DatasetException">There are no data files, or no such configuration.</exception>
    public static DatasetLayout Of(string folder, string name, DatasetOptions options)
    {
        var bare = new DatasetLayout(folder, name);
        var splits = DatasetCard.Read(folder) is { Configurations.Count: > 0 } card ? bare.ByCard(card, options.Configuration)
            : options.Configuration is { } unknown ? throw new DatasetException($"{name} has no configuration \"{unknown}\": its {DatasetCard.FileName} names none.")
            : bare.ByName();
        return splits.Count > 0 || options.Files is not null ? new(folder, name) { Splits = splits }
            : throw new DatasetException($"{name} has no data files. Formats: {string.Join(", ", DataFile.Extensions)}.");
    }

    /// <summary>The files that match patterns.</summary>
    /// <exception cref="DatasetException">A pattern matches none.</exception>
    public IReadOnlyList<string> Matching(IReadOnlyList<string> patterns) => [.. patterns.SelectMany(pattern =>
    {
        var matcher = Glob.Of([pattern]);
        var found = files.Where(file => matcher.Match(file).HasMatches).Order(StringComparer.Ordinal).ToArray();
        return found.Length > 0 ? found.Select(file => Path.Combine(folder, file)) : throw new DatasetException($"No file of {name} matches '{pattern}'. Files found: {string.Join(", ", files.Take(20))}.");
    }).Distinct()];

    private Dictionary<string, IReadOnlyList<string>> ByCard(DatasetCard card, string? configuration)
    {
        var all = card.Configurations;
        var chosen = configuration is null
            ? all.FirstOrDefault(each => each.IsDefault) ?? all.FirstOrDefault(each => each.Name == "default") ?? (all.Count == 1 ? all[0] : null)
            : all.FirstOrDefault(each => each.Name == configuration);
        if (chosen is null)
            throw new DatasetException($"{name} has {(configuration is null ? "several configurations" : $"no configuration \"{configuration}\"")}: set {nameof(DatasetOptions)}.{nameof(DatasetOptions.Configuration)} to one of {string.Join(", ", all.Select(each => each.Name))}.");
        return chosen.Files.ToDictionary(each => SplitNames.Normal(each.Key), each => Matching(each.Value));
    }

    // As Hugging Face's datasets: the format that most files have; if no file name indicates a split, all files are for training.
    private Dictionary<string, IReadOnlyList<string>> ByName()
    {
        var extension = files.GroupBy(DataFile.ExtensionOf).OrderByDescending(each => each.Count()).ThenBy(each => each.Key, StringComparer.Ordinal).FirstOrDefault()?.Key;
        var data = files.Where(file => DataFile.ExtensionOf(file) == extension).ToArray();
        var told = data.Where(file => SplitNames.Of(file) is not null).ToArray();
        return (told.Length > 0 ? told : data).GroupBy(file => SplitNames.Of(file) ?? "train")
            .ToDictionary(each => each.Key, each => (IReadOnlyList<string>)[.. each.Select(file => Path.Combine(folder, file))]);
    }

    // Files that save_to_disk and the hub write next to the data.
    private static bool IsDescription(string file) => Path.GetFileName(file) is "dataset_info.json" or "dataset_infos.json" or "state.json" or "dataset_dict.json";
}
