using System.Text.Json.Nodes;

namespace Peft.Cli;

/// <summary>Makes of rows what a command trains on.</summary>
internal static class DataFiles
{
    /// <summary>Rows for language modelling: blocks of a text file, or whatever <c>sft</c> reads.</summary>
    public static TrainingDataset Language(DataSource source, RowReading reading, int blockSize)
        => source.Rows is not null ? Supervised(source, reading) : TextDataset.FromFile(source.Path, reading.Tokenizer, blockSize, reading.Cache);

    /// <summary>Rows of <c>text</c>, <c>prompt</c> and <c>completion</c>, or <c>messages</c>; the lines of a text file.</summary>
    public static TrainingDataset Supervised(DataSource source, RowReading reading)
        => SftDataset.From(Require(source, ["text"], ["prompt", "completion"], ["messages"], ["conversations"]), reading.Tokenizer, new() { MaxLength = reading.MaxLength }, reading.Logger, reading.Cache);

    /// <summary>Pairs: <c>chosen</c> and <c>rejected</c>, with or without <c>prompt</c>.</summary>
    public static TrainingDataset Preferences(DataSource source, RowReading reading)
        => PreferenceDataset.From(Require(source, ["chosen", "rejected"]), reading.Tokenizer, new() { MaxLength = reading.MaxLength }, reading.Logger, reading.Cache);

    /// <summary>Completions with labels: <c>prompt</c>, <c>completion</c> and <c>label</c>; or pairs.</summary>
    public static TrainingDataset Unpaired(DataSource source, RowReading reading)
        => UnpairedDataset.From(Require(source, ["prompt", "completion", "label"], ["chosen", "rejected"]), reading.Tokenizer, new() { MaxLength = reading.MaxLength }, reading.Logger, reading.Cache);

    /// <summary>Pairs for a reward model.</summary>
    public static TrainingDataset Rewards(DataSource source, RowReading reading)
        => RewardDataset.From(Require(source, ["chosen", "rejected"]), reading.Tokenizer, new() { MaxLength = reading.MaxLength }, reading.Logger, reading.Cache);

    /// <summary>Prompts, with further columns for the reward functions.</summary>
    public static PromptDataset Prompts(DataSource source, RowReading reading)
        => PromptDataset.From(Require(source, ["prompt"]), reading.Tokenizer, new() { MaxLength = reading.GivenLength }, reading.Logger, reading.Cache);

    /// <summary>Maximum number of tokens of a text that is classified as a whole.</summary>
    public static int Limit(RowReading reading) => Math.Min(reading.MaxLength, reading.Tokenizer.MaxLength ?? reading.MaxLength);

    /// <summary>The rows, with the columns of one of the forms.</summary>
    /// <exception cref="ToolException">They have other columns.</exception>
    public static Dataset Require(DataSource source, params string[][] forms)
    {
        var rows = source.Rows ?? Dataset.Load(source.Path);
        var columns = rows.Columns;
        if (columns.Count == 0) throw new ToolException($"{source.Path} has no rows.");
        return forms.Any(form => form.All(columns.Contains)) ? rows
            : throw new ToolException($"{source.Path} has the columns {string.Join(", ", columns)}, but this command reads {string.Join(", or ", forms.Select(form => string.Join(" and ", form)))}: rename them by --columns old=new.{(columns.Contains("chosen") && columns.Contains("rejected") ? " Pairs are for `peft dpo`, `kto` and `reward`." : "")}");
    }

    /// <summary>The texts of a column.</summary>
    /// <exception cref="ToolException">A value is no text.</exception>
    public static IReadOnlyList<string> Texts(Dataset rows, string column)
        => [.. rows.Select(row => row.Fields[column] is JsonValue value && value.TryGetValue<string>(out var text) ? text : throw new ToolException($"{row.Place}: \"{column}\" must be a text."))];
}
