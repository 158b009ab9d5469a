using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace Peft.Cli;

/// <summary>
/// The YAML file of <c>--config</c>: <c>rank: 8</c> stands for <c>--rank 8</c>, a list repeats an option, and the entries of a map are <c>name=value</c>. So a file can
/// say all that the command line can, and nothing else.
/// </summary>
internal static class ConfigurationFile
{
    /// <summary>The command line with the options of its file that it does not have itself.</summary>
    /// <exception cref="ToolException">The file cannot be read, or has a key that is not an option of the command.</exception>
    public static string[] Expand(RootCommand root, string[] args)
    {
        var parse = root.Parse(args);
        if (parse.GetResult(GlobalOptions.Config) is not { Implicit: false, Tokens.Count: 1 } || parse.GetValue(GlobalOptions.Config) is not { } path) return args;
        var options = parse.CommandResult.Command.Options.Concat(root.Options.Where(option => option.Recursive)).ToDictionary(option => option.Name.TrimStart('-'));
        var added = new List<string>();
        foreach (var (key, value) in Read(path))
        {
            var name = key.Replace('_', '-');
            if (!options.TryGetValue(name, out var option) || option == GlobalOptions.Config)
                throw new ToolException($"{path}: '{key}' is not an option of peft {parse.CommandResult.Command.Name}. It has {string.Join(", ", options.Keys.Where(each => each is not ("config" or "help" or "version")).Order())}.");
            if (parse.GetResult(option) is { Implicit: false }) continue;
            foreach (var text in Texts(value, $"{path}: '{key}'"))
                if (option.ValueType == typeof(bool) && !IsTrue(text, $"{path}: '{key}'")) continue;
                else if (option.ValueType == typeof(bool)) added.Add(option.Name);
                else added.AddRange([option.Name, text]);
        }
        // The end of the command line belongs to arguments after --.
        var end = Array.IndexOf(args, "--");
        return end < 0 ? [.. args, .. added] : [.. args[..end], .. added, .. args[end..]];
    }

    private static IEnumerable<KeyValuePair<string, YamlNode>> Read(string path)
    {
        try
        {
            using var reader = new StreamReader(path);
            var yaml = new YamlStream();
            yaml.Load(reader);
            if (yaml.Documents.Count == 0) return [];
            return yaml.Documents[0].RootNode is YamlMappingNode map
                ? map.Children.Select(pair => KeyValuePair.Create(Scalar(pair.Key, path), pair.Value))
                : throw new ToolException($"{path} is not a map of options, such as 'rank: 8'.");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new ToolException($"The configuration {path} cannot be read: {error.Message}", error);
        }
        catch (YamlException error)
        {
            throw new ToolException($"{path}, line {error.Start.Line}: not valid YAML ({error.Message})", error);
        }
    }

    private static IEnumerable<string> Texts(YamlNode value, string place) => value switch
    {
        YamlScalarNode { Value: null or "" or "~" or "null" } => [],
        YamlScalarNode scalar => [scalar.Value!],
        YamlSequenceNode list => list.Children.Select(item => Scalar(item, place)),
        YamlMappingNode map => map.Children.Select(pair => $"{Scalar(pair.Key, place)}={Flow(pair.Value, place)}"),
        _ => throw new ToolException($"{place} has a value that no option can have."),
    };

    // YAML 1.1 has more words for them than 1.2.
    private static bool IsTrue(string text, string place) => text.ToUpperInvariant() switch
    {
        "TRUE" or "YES" or "ON" => true,
        "FALSE" or "NO" or "OFF" => false,
        _ => throw new ToolException($"{place} must be true or false, but was '{text}'."),
    };

    // A list or map within a map, in the JSON form of --set name=value.
    private static string Flow(YamlNode value, string place) => value switch
    {
        YamlSequenceNode list => "[" + string.Join(", ", list.Children.Select(item => Inner(item, place))) + "]",
        YamlMappingNode map => "{" + string.Join(", ", map.Children.Select(pair => $"{System.Text.Json.JsonSerializer.Serialize(Scalar(pair.Key, place))}: {Inner(pair.Value, place)}")) + "}",
        _ => Scalar(value, place),
    };

    private static string Inner(YamlNode value, string place)
        => value is not YamlScalarNode { Value: { } text, Style: var style } ? Flow(value, place)
            : style == ScalarStyle.Plain && (double.TryParse(text, System.Globalization.CultureInfo.InvariantCulture, out _) || text is "true" or "false") ? text
            : System.Text.Json.JsonSerializer.Serialize(text);

    private static string Scalar(YamlNode node, string place)
        => node is YamlScalarNode { Value: { } text } ? text : throw new ToolException($"{place}: a single value was expected, but there is a {node.NodeType.ToString().ToLowerInvariant()}.");
}
