using Microsoft.Extensions.Logging;

namespace Peft.Cli;

/// <summary>Makes of rows what a command trains on.</summary>
internal static class DataFiles
{
    /// <summary>Rows for language modelling: blocks of a text file, or whatever <c>sft</c> reads.</summary>
    public static TrainingDataset Language(DataSource source, Tokenizer tokenizer, int blockSize, int maxLength, ILogger logger)
        => source.Rows is null ? TextDataset.FromFile(source.Path, tokenizer, blockSize) : Supervised(source, tokenizer, maxLength, logger);

    /// <summary>Rows of <c>text</c>, <c>prompt</c> and <c>completion</c>, or <c>messages</c>; the lines of a text file.</summary>
    public static TrainingDataset Supervised(DataSource source, Tokenizer tokenizer, int maxLength, ILogger logger)
        => SftDataset.From(Require(source, ["text"], ["prompt", "completion"], ["messages"], ["conversations"]), tokenizer, new() { MaxLength = maxLength }, logger);

    /// <summary>Pairs: <c>chosen</c> and <c>rejected</c>, with or without <c>prompt</c>.</summary>
    public static TrainingDataset Preferences(DataSource source, Tokenizer tokenizer, int maxLength, ILogger logger)
        => PreferenceDataset.From(Require(source, ["chosen", "rejected"]), tokenizer, new() { MaxLength = maxLength }, logger);

    /// <summary>Pairs for a reward model.</summary>
    public static TrainingDataset Rewards(DataSource source, Tokenizer tokenizer, int maxLength, ILogger logger)
        => RewardDataset.From(Require(source, ["chosen", "rejected"]), tokenizer, new() { MaxLength = maxLength }, logger);

    /// <summary>Prompts, with further columns for the reward functions.</summary>
    public static PromptDataset Prompts(DataSource source, Tokenizer tokenizer, int maxLength, ILogger logger)
        => PromptDataset.From(Require(source, ["prompt"]), tokenizer, new() { MaxLength = maxLength }, logger);

    private static Dataset Require(DataSource source, params string[][] forms)
    {
        var rows = source.Rows ?? Dataset.Load(source.Path);
        var columns = rows.Columns;
        return forms.Any(form => form.All(columns.Contains)) ? rows
            : throw new ToolException($"{source.Path} has the columns {string.Join(", ", columns)}, but this command reads {string.Join(", or ", forms.Select(form => string.Join(" and ", form)))}: rename them by --columns old=new.");
    }
}
