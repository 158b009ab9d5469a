using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Peft;

/// <summary>Prompts and completions for causal language models. Only the completions have labels.</summary>
/// <remarks>Prompt and completion are tokenized separately, so that no token spans both.</remarks>
public sealed class InstructionDataset : TrainingDataset
{
    private readonly InstructionOptions options;
    private readonly long padding;
    private readonly List<LabelledSequence> sequences = [];

    /// <summary>Tokenizes rows.</summary>
    /// <param name="rows">The rows.</param>
    /// <param name="tokenizer">The tokenizer; the prompt gets the special tokens of its template.</param>
    /// <param name="options">Settings; the defaults if null.</param>
    /// <param name="logger">Receives the number of truncated and dropped rows.</param>
    /// <param name="name">Name of the dataset in error messages.</param>
    /// <exception cref="DatasetException">There are no rows, or none has a completion within the maximum length.</exception>
    public InstructionDataset(
        IEnumerable<InstructionRow> rows, ITokenizer tokenizer, InstructionOptions? options = null, ILogger? logger = null, string name = "instruction dataset")
    {
        ArgumentNullException.ThrowIfNull(rows);
        ArgumentNullException.ThrowIfNull(tokenizer);
        this.options = options ?? new();
        ArgumentOutOfRangeException.ThrowIfLessThan(this.options.MaxLength, 2, nameof(InstructionOptions.MaxLength));
        Name = name;
        padding = tokenizer.PadId ?? tokenizer.EndOfSequenceId ?? 0;
        foreach (var row in rows)
        {
            if (row is not { Prompt: not null, Completion: not null }) throw new DatasetException($"{name}: row {sequences.Count + DroppedRows} has no prompt or no completion.");
            Add(row, tokenizer);
        }
        if (sequences.Count == 0)
            throw new DatasetException(DroppedRows == 0
                ? $"{name} has no rows."
                : $"None of the {DroppedRows} rows of {name} has a completion within {this.options.MaxLength} tokens: raise MaxLength or shorten the prompts.");
        if (TruncatedRows + DroppedRows > 0)
            TrainingLog.RowsCut(logger ?? NullLogger.Instance, name, TruncatedRows, DroppedRows, this.options.MaxLength);
    }

    /// <inheritdoc/>
    public override int Count => sequences.Count;

    /// <inheritdoc/>
    public override string Name { get; }

    /// <summary>Number of rows whose completion was truncated at <see cref="InstructionOptions.MaxLength"/>.</summary>
    public int TruncatedRows { get; private set; }

    /// <summary>Number of rows that were dropped because their completion was empty or entirely beyond the maximum length.</summary>
    public int DroppedRows { get; private set; }

    /// <summary>Reads the rows of a JSON Lines file.</summary>
    /// <param name="path">The file, with one object of two strings per line.</param>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <param name="options">Settings; the defaults if null.</param>
    /// <param name="logger">Receives the number of truncated and dropped rows.</param>
    /// <exception cref="DatasetException">The file cannot be read, a line is invalid (the message names it), or no row can be used for training.</exception>
    public static InstructionDataset FromFile(string path, ITokenizer tokenizer, InstructionOptions? options = null, ILogger? logger = null)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        var fields = options ?? new();
        var rows = JsonLines.Read(path).Select(row => new InstructionRow(JsonLines.Text(row.Fields, fields.PromptField, row.Place), JsonLines.Text(row.Fields, fields.CompletionField, row.Place)));
        return new(rows, tokenizer, options, logger, path);
    }

    /// <inheritdoc/>
    public override int LengthOf(int row)
    {
        RequireRow(row, Count);
        return sequences[row].Ids.Length;
    }

    /// <inheritdoc/>
    public override Batch GetBatch(IReadOnlyList<int> rows)
    {
        RequireRows(rows, Count);
        return LabelledSequence.ToBatch([.. rows.Select(row => sequences[row])], options.Layout, padding);
    }

    private void Add(InstructionRow row, ITokenizer tokenizer)
    {
        var prompt = tokenizer.Encode(row.Prompt + options.Separator);
        var completion = tokenizer.Encode(row.Completion, addSpecialTokens: false);
        IEnumerable<int> end = options.AppendEndOfSequence && tokenizer.EndOfSequenceId is { } id ? [id] : [];
        long[] ids = [.. prompt.Concat(completion).Concat(end).Take(options.MaxLength).Select(token => (long)token)];

        // The first position of a sequence is never predicted; in a packed row its label would be predicted from the preceding sequence.
        var first = Math.Max(1, prompt.Count);
        long[] labels = [.. ids.Select((token, position) => position < first ? Batch.IgnoredLabel : token)];
        if (ids.Length <= first || completion.Count == 0)
        {
            DroppedRows++;
            return;
        }
        if (prompt.Count + completion.Count + end.Count() > options.MaxLength) TruncatedRows++;
        sequences.Add(new(ids, labels));
    }
}
