using System.Text.RegularExpressions;

namespace Peft.Data;

/// <summary>Names of splits, and the words in file names that indicate them, as Hugging Face's <c>datasets</c> has them.</summary>
internal static partial class SplitNames
{
    private static readonly (string Split, string[] Words)[] Known =
    [
        ("train", ["train", "training"]),
        ("validation", ["validation", "valid", "val", "dev"]),
        ("test", ["test", "testing", "eval", "evaluation"]),
    ];

    /// <summary>The canonical name of a split.</summary>
    public static string Normal(string split) => Known.FirstOrDefault(each => each.Words.Contains(split, StringComparer.OrdinalIgnoreCase)).Split ?? split;

    /// <summary>The split that the path of a file indicates, relative to the dataset; null if none.</summary>
    public static string? Of(string file)
    {
        // save_to_disk names every shard "data", in a folder of the split's name.
        if (Sharded().Match(file) is { Success: true, Groups: [_, { Value: not "data" and var name }] }) return Normal(name);
        var words = Word().Split(file.ToLowerInvariant());
        return Known.FirstOrDefault(each => each.Words.Any(words.Contains)).Split;
    }

    // data/name-00000-of-00003.parquet, also followed by a hash.
    [GeneratedRegex(@"(?:\A|/)([\w.]+)-\d{5}-of-\d{5}[^/]*\z")]
    private static partial Regex Sharded();

    [GeneratedRegex("[-._ 0-9/]+")]
    private static partial Regex Word();
}
