using System.Text.RegularExpressions;

namespace Peft.Hub;

/// <summary>Selects the required files of a repository.</summary>
internal static partial class ModelFiles
{
    private const string AdapterDescription = "adapter_config.json", AdapterTask = "task.json";
    private static readonly string[] AdapterWeightNames = ["adapter_model.safetensors", "adapter_model.bin"];

    /// <summary>Selects all files required to load a model, including its tokenizer and an adapter in the same folder.</summary>
    public static IReadOnlyList<string> Model(IEnumerable<string> names)
    {
        var all = names.ToHashSet(StringComparer.Ordinal);
        return [.. all.Where(name => Description().IsMatch(name) || TokenizerFile().IsMatch(name)), .. Weights(all, "model", "pytorch_model"), .. AdapterWeights(all, "")];
    }

    /// <summary>Selects the files of a tokenizer.</summary>
    public static IReadOnlyList<string> Tokenizer(IEnumerable<string> names) => [.. names.Where(name => TokenizerFile().IsMatch(name))];

    /// <summary>Selects the files of a saved adapter.</summary>
    /// <param name="folder">The folder in the repository with a trailing slash; empty for the root.</param>
    public static Func<IEnumerable<string>, IReadOnlyList<string>> Adapter(string folder) => names =>
    {
        var all = names.ToHashSet(StringComparer.Ordinal);
        return all.Contains(folder + AdapterDescription) ? [folder + AdapterDescription, .. all.Where(file => file == folder + AdapterTask), .. AdapterWeights(all, folder)] : [];
    };

    private static IEnumerable<string> AdapterWeights(HashSet<string> all, string folder)
        => AdapterWeightNames.Select(name => folder + name).Where(all.Contains).Take(1);

    // The weights that the loader would choose: a single file, or else an index with its shards; pickled files only if there are no others. Many repositories contain several of
    // these, and copies for other libraries (consolidated.safetensors), each as large as the model.
    private static IEnumerable<string> Weights(HashSet<string> all, string safe, string pickled)
    {
        foreach (var (stem, extension) in new[] { (safe, ".safetensors"), (pickled, ".bin") })
        {
            var single = stem + extension;
            if (all.Contains(single)) return [single];
            var index = single + ".index.json";
            if (all.Contains(index)) return all.Where(name => name.StartsWith(stem + "-", StringComparison.Ordinal) && name.EndsWith(extension, StringComparison.Ordinal) && !name.Contains('/')).Append(index);
        }
        return [];
    }

    [GeneratedRegex(@"\A(?:config|generation_config|adapter_config|task)\.json\z")]
    private static partial Regex Description();

    [GeneratedRegex(@"\A(?:tokenizer|tokenizer_config|special_tokens_map|added_tokens|vocab|chat_template)\.json\z|\A(?:vocab|merges)\.txt\z|\A[^/]+\.model\z|\Achat_template\.jinja\z|\Aadditional_chat_templates/[^/]+\.jinja\z")]
    private static partial Regex TokenizerFile();
}
