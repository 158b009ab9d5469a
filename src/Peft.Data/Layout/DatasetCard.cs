using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace Peft.Data;

/// <summary>The configurations that the card of a dataset names, in the YAML at the head of its <c>README.md</c>.</summary>
internal sealed record DatasetCard(IReadOnlyList<DatasetConfiguration> Configurations)
{
    public const string FileName = "README.md";
    private const int MaxCharacters = 1 << 22;

    /// <summary>Reads the card of a folder; null if it has none.</summary>
    /// <exception cref="DatasetException">The card is invalid.</exception>
    public static DatasetCard? Read(string folder)
    {
        var path = Path.Combine(folder, FileName);
        if (!File.Exists(path) || Head(path) is not { } yaml) return null;
        try
        {
            var stream = new YamlStream();
            stream.Load(new StringReader(yaml));
            return stream.Documents is [{ RootNode: YamlMappingNode root }, ..] && root.Children.TryGetValue("configs", out var list) && list is YamlSequenceNode configs
                ? new([.. configs.Select(each => Configuration(each, path))]) : null;
        }
        catch (YamlException error)
        {
            throw new DatasetException($"The head of {path} is not valid YAML: {error.Message}", error);
        }
    }

    private static DatasetConfiguration Configuration(YamlNode node, string path)
    {
        if (node is not YamlMappingNode config) throw Invalid(path, "a configuration is not a mapping");
        var name = config.Children.TryGetValue("config_name", out var text) ? Text(text, path) : "default";
        var folder = config.Children.TryGetValue("data_dir", out var prefix) ? Text(prefix, path).Trim('/') + "/" : "";
        var isDefault = config.Children.TryGetValue("default", out var flag) && flag is YamlScalarNode { Value: "true" or "True" };
        var files = new Dictionary<string, IReadOnlyList<string>>();
        if (!config.Children.TryGetValue("data_files", out var found)) files["train"] = [folder + "**/*"];
        else if (found is YamlSequenceNode { Children: [YamlMappingNode, ..] } splits)
        {
            foreach (var each in splits.Children)
            {
                if (each is not YamlMappingNode split || !split.Children.TryGetValue("split", out var splitName) || !split.Children.TryGetValue("path", out var paths)) throw Invalid(path, "an entry of data_files has no split or no path");
                files[Text(splitName, path)] = Patterns(paths, folder, path);
            }
        }
        else files["train"] = Patterns(found, folder, path);
        return new(name, isDefault, files);
    }

    private static string[] Patterns(YamlNode node, string folder, string path)
        => node is YamlSequenceNode list ? [.. list.Select(each => folder + Text(each, path))] : [folder + Text(node, path)];

    private static string Text(YamlNode node, string path) => node is YamlScalarNode { Value: { Length: > 0 } text } ? text : throw Invalid(path, $"'{node}' is not a text");

    private static DatasetException Invalid(string path, string what) => new($"The configurations in the head of {path} are invalid: {what}.");

    // The lines between the first two lines of three hyphens.
    private static string? Head(string path)
    {
        var lines = NumberedLines.Read(path).Select(line => line.Text).Take(MaxCharacters / 80).ToArray();
        if (lines is not ["---", .. var rest]) return null;
        var end = Array.FindIndex(rest, line => line.TrimEnd() == "---");
        return end < 0 ? null : string.Join('\n', rest.Take(end));
    }
}
