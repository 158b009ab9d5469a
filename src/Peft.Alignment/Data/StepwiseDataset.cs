using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging;

namespace Peft;

/// <summary>Solutions in steps, each right or wrong, as process reward models learn from (<see cref="ProcessRewardObjective"/>).</summary>
/// <remarks>
/// A row has <c>prompt</c>, <c>completions</c>, a list of the steps, and <c>labels</c>, a list of true (right) and false for them. A batch holds <see cref="Batch.InputIds"/> and
/// <see cref="Batch.Labels"/> <c>[n, sequence]</c>: 1 or 0 at the last token of each step's separator, <see cref="Batch.IgnoredLabel"/> elsewhere.
/// </remarks>
public sealed class StepwiseDataset : AlignmentDataset
{
    private readonly long padding;
    private readonly List<(long[] Ids, long[] Labels)> rows = [];

    private StepwiseDataset(IEnumerable<DataRow> data, Tokenizer tokenizer, StepwiseDatasetOptions? options, ILogger? logger, string name) : base(name)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        options ??= new();
        RequireLength(options.MaxLength);
        if (options.MaxPromptLength is { } most) ArgumentOutOfRangeException.ThrowIfLessThan(most, 1, nameof(options.MaxPromptLength));
        var encoder = new RowEncoder(tokenizer, new());
        padding = encoder.Padding;
        long[] separator = [.. tokenizer.Encode(options.StepSeparator, addSpecialTokens: false).Select(id => (long)id)];
        if (separator.Length == 0) throw new ArgumentException($"The step separator {JsonSerializer.Serialize(options.StepSeparator)} has no tokens: choose a text that the tokenizer keeps.", nameof(options));
        foreach (var row in data)
        {
            var (ids, labels) = Encode(row, tokenizer, separator, options);
            var length = Math.Min(ids.Length, options.MaxLength ?? int.MaxValue);
            if (length < ids.Length) TruncatedRows++;
            if (labels.Take(length).All(label => label == Batch.IgnoredLabel)) DroppedRows++;
            else rows.Add((ids[..length], labels[..length]));
        }
        Finish(encoder, options.MaxLength, logger);
    }

    /// <inheritdoc/>
    public override int Count => rows.Count;

    /// <summary>Reads a file of any format that <see cref="Dataset.Load"/> reads.</summary>
    /// <inheritdoc cref="PreferenceDataset.FromFile"/>
    public static StepwiseDataset FromFile(string path, Tokenizer tokenizer, StepwiseDatasetOptions? options = null, ILogger? logger = null)
        => From(Dataset.Load(path), tokenizer, options, logger);

    /// <summary>Prepares the rows of a dataset.</summary>
    /// <param name="data">The rows.</param>
    /// <param name="tokenizer">The tokenizer, with a chat template if rows are conversations.</param>
    /// <param name="options">Settings; the defaults if null.</param>
    /// <param name="logger">Receives the number of truncated and dropped rows.</param>
    /// <exception cref="DatasetException">A row is invalid (the message names it and what to do), or there is nothing to train on.</exception>
    public static StepwiseDataset From(Dataset data, Tokenizer tokenizer, StepwiseDatasetOptions? options = null, ILogger? logger = null)
        => new(DataRow.From(data), tokenizer, options, logger, data.Name);

    /// <summary>Prepares rows.</summary>
    /// <inheritdoc cref="PreferenceDataset.FromRows"/>
    public static StepwiseDataset FromRows(IEnumerable<JsonObject> rows, Tokenizer tokenizer, StepwiseDatasetOptions? options = null, ILogger? logger = null, string name = "stepwise dataset")
        => From(Dataset.Of(rows, name), tokenizer, options, logger);

    /// <inheritdoc/>
    public override int LengthOf(int row)
    {
        RequireRow(row, Count);
        return rows[row].Ids.Length;
    }

    /// <inheritdoc/>
    public override Batch GetBatch(IReadOnlyList<int> rows)
    {
        RequireRows(rows, Count);
        long[][] ids = [.. rows.Select(row => this.rows[row].Ids)], labels = [.. rows.Select(row => this.rows[row].Labels)];
        return new()
        {
            InputIds = PaddedRows.Right(ids, padding), AttentionMask = PaddedRows.Right(PaddedRows.Ones(ids), 0), Labels = PaddedRows.Right(labels, Batch.IgnoredLabel),
            Weight = labels.Sum(row => row.Count(label => label != Batch.IgnoredLabel)), Tokens = ids.Sum(row => row.LongLength),
        };
    }

    private static (long[] Ids, long[] Labels) Encode(DataRow row, Tokenizer tokenizer, long[] separator, StepwiseDatasetOptions options)
    {
        var (steps, right) = (row.Texts("completions"), row.Flags("labels"));
        if (steps.Count != right.Count) throw row.Wrong($"there are {steps.Count} completions, but {right.Count} labels: give each step one");
        if (steps.Count == 0) throw row.Wrong("there are no steps in \"completions\": remove the row");
        long[] Longs(string text) => [.. tokenizer.Encode(text, addSpecialTokens: false).Select(id => (long)id)];
        List<long> ids = [.. tokenizer.BeginOfSequenceId is { } begin ? [begin] : Array.Empty<long>(), .. Longs(row.Text("prompt"))];
        if (options.MaxPromptLength is { } most && ids.Count > most) ids.RemoveRange(0, ids.Count - most);
        List<long> labels = [.. Enumerable.Repeat((long)Batch.IgnoredLabel, ids.Count)];
        for (var i = 0; i < steps.Count; i++)
        {
            ids.AddRange([.. Longs(steps[i]), .. separator]);
            labels.AddRange(Enumerable.Repeat((long)Batch.IgnoredLabel, ids.Count - labels.Count - 1));
            labels.Add(options.LastStepOnly && i < steps.Count - 1 ? Batch.IgnoredLabel : right[i] ? 1 : 0);
        }
        return ([.. ids], [.. labels]);
    }
}
