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
    private readonly TokenRows steps;

    private StepwiseDataset(Dataset data, Tokenizer tokenizer, StepwiseDatasetOptions? options, TokenCache? cache, ILogger? logger) : base(data.Name)
    {
        options ??= new();
        RequireLength(options.MaxLength);
        if (options.MaxPromptLength is { } most) ArgumentOutOfRangeException.ThrowIfLessThan(most, 1, nameof(options.MaxPromptLength));
        var encoder = new RowEncoder(tokenizer, new());
        padding = encoder.Padding;
        long[] separator = [.. tokenizer.Encode(options.StepSeparator, addSpecialTokens: false).Select(id => (long)id)];
        if (separator.Length == 0) throw new ArgumentException($"The step separator {JsonSerializer.Serialize(options.StepSeparator)} has no tokens: choose a text that the tokenizer keeps.", nameof(options));
        steps = Prepare(data, tokenizer, cache, () => RowSettings.Text(options, tokenizer), encoder, options.MaxLength, logger, add =>
        {
            foreach (var row in DataRow.From(data))
            {
                var (ids, labels) = Encode(row, tokenizer, separator, options);
                var length = Math.Min(ids.Length, options.MaxLength ?? int.MaxValue);
                if (length < ids.Length) TruncatedRows++;
                if (labels.Take(length).All(label => label == Batch.IgnoredLabel)) DroppedRows++;
                else add([ids[..length], labels[..length]]);
            }
        });
    }

    /// <inheritdoc/>
    public override int Count => steps.Count;

    /// <summary>Reads a file of any format that <see cref="Dataset.Load"/> reads.</summary>
    /// <inheritdoc cref="PreferenceDataset.FromFile"/>
    public static StepwiseDataset FromFile(string path, Tokenizer tokenizer, StepwiseDatasetOptions? options = null, ILogger? logger = null)
        => From(Dataset.Load(path), tokenizer, options, logger);

    /// <summary>Prepares the rows of a dataset.</summary>
    /// <param name="data">The rows.</param>
    /// <param name="tokenizer">The tokenizer, with a chat template if rows are conversations.</param>
    /// <param name="options">Settings; the defaults if null.</param>
    /// <param name="logger">Receives the number of truncated and dropped rows.</param>
    /// <param name="cache">Keeps the tokens on disk, and finds them there the next time; null to keep them in memory.</param>
    /// <exception cref="DatasetException">A row is invalid (the message names it and what to do), or there is nothing to train on.</exception>
    public static StepwiseDataset From(Dataset data, Tokenizer tokenizer, StepwiseDatasetOptions? options = null, ILogger? logger = null, TokenCache? cache = null)
    {
        ArgumentNullException.ThrowIfNull(data);
        ArgumentNullException.ThrowIfNull(tokenizer);
        return new(data, tokenizer, options, cache, logger);
    }

    /// <summary>Prepares rows.</summary>
    /// <inheritdoc cref="PreferenceDataset.FromRows"/>
    public static StepwiseDataset FromRows(IEnumerable<JsonObject> rows, Tokenizer tokenizer, StepwiseDatasetOptions? options = null, ILogger? logger = null, string name = "stepwise dataset")
        => From(Dataset.Of(rows, name), tokenizer, options, logger);

    /// <inheritdoc/>
    public override int LengthOf(int row)
    {
        RequireRow(row, Count);
        return steps.LengthsOf(row)[0];
    }

    /// <inheritdoc/>
    public override Batch GetBatch(IReadOnlyList<int> rows)
    {
        RequireRows(rows, Count);
        long[][][] read = [.. rows.Select(row => steps[row])];
        long[][] ids = [.. read.Select(row => row[0])], labels = [.. read.Select(row => row[1])];
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
        var kept = tokenizer.BeginOfSequenceId is null ? 0 : 1;
        if (options.MaxPromptLength is { } most && ids.Count > most) ids.RemoveRange(kept, ids.Count - most);
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
