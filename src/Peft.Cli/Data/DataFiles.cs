using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging;

namespace Peft.Cli;

/// <summary>Makes of rows what a command trains on.</summary>
internal static class DataFiles
{
    /// <summary>Rows for language modelling: blocks of a text file, or whatever <c>sft</c> reads.</summary>
    public static TrainingDataset Language(DataSource source, Tokenizer tokenizer, int blockSize, int maxLength, ILogger logger, TokenCache? cache = null)
        => source.Rows is not null ? Supervised(source, tokenizer, maxLength, logger, cache)
            : cache is null ? TextDataset.FromFile(source.Path, tokenizer, blockSize) : throw new ToolException($"--token-cache keeps rows, but {source.Path} is cut into blocks: leave it out.");

    /// <summary>Rows of <c>text</c>, <c>prompt</c> and <c>completion</c>, or <c>messages</c>; the lines of a text file.</summary>
    public static TrainingDataset Supervised(DataSource source, Tokenizer tokenizer, int maxLength, ILogger logger, TokenCache? cache)
        => SftDataset.From(Require(source, ["text"], ["prompt", "completion"], ["messages"], ["conversations"]), tokenizer, new() { MaxLength = maxLength }, logger, cache);

    /// <summary>Pairs: <c>chosen</c> and <c>rejected</c>, with or without <c>prompt</c>.</summary>
    public static TrainingDataset Preferences(DataSource source, Tokenizer tokenizer, int maxLength, ILogger logger, TokenCache? cache)
        => PreferenceDataset.From(Require(source, ["chosen", "rejected"]), tokenizer, new() { MaxLength = maxLength }, logger, cache);

    /// <summary>Pairs for a reward model.</summary>
    public static TrainingDataset Rewards(DataSource source, Tokenizer tokenizer, int maxLength, ILogger logger)
        => RewardDataset.From(Require(source, ["chosen", "rejected"]), tokenizer, new() { MaxLength = maxLength }, logger);

    /// <summary>Prompts, with further columns for the reward functions.</summary>
    public static PromptDataset Prompts(DataSource source, Tokenizer tokenizer, int maxLength, ILogger logger)
        => PromptDataset.From(Require(source, ["prompt"]), tokenizer, new() { MaxLength = maxLength }, logger);

    /// <summary>Maximum number of tokens of a text that is classified as a whole.</summary>
    public static int Limit(int maxLength, Tokenizer tokenizer) => Math.Min(maxLength, tokenizer.MaxLength ?? maxLength);

    /// <summary>The rows, with the columns of one of the forms.</summary>
    /// <exception cref="ToolException">They have other columns.</exception>
    public static Dataset Require(DataSource source, params string[][] forms)
    {
        var rows = source.Rows ?? Dataset.Load(source.Path);
        var columns = rows.Columns;
        if (columns.Count == 0) throw new ToolException($"{source.Path} has no rows.");
        return forms.Any(form => form.All(columns.Contains)) ? rows
            : throw new ToolException($"{source.Path} has the columns {string.Join(", ", columns)}, but this command reads {string.Join(", or ", forms.Select(form => string.Join(" and ", form)))}: rename them by --columns old=new.");
    }

    /// <summary>The texts of a column.</summary>
    /// <exception cref="ToolException">A value is no text.</exception>
    public static IReadOnlyList<string> Texts(Dataset rows, string column)
        => [.. rows.Select(row => row.Fields[column] is JsonValue value && value.TryGetValue<string>(out var text) ? text : throw new ToolException($"{row.Place}: \"{column}\" must be a text."))];
}
