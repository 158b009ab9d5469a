using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Peft;

/// <summary>A question and the answer to learn.</summary>
/// <param name="Prompt">What is given. Nothing is learned from it.</param>
/// <param name="Completion">What the model shall write.</param>
public sealed record InstructionRow(string Prompt, string Completion);

/// <summary>How sequences of different lengths form a batch.</summary>
public enum BatchLayout
{
    /// <summary>One row per sequence, filled up on the right, with an attention mask.</summary>
    Padded,

    /// <summary>All sequences end to end in one row, without padding; <see cref="Batch.PackedLengths"/> tells them apart.</summary>
    Packed,
}

/// <summary>Settings of an <see cref="InstructionDataset"/>.</summary>
public sealed record InstructionOptions
{
    /// <summary>Tokens that a row may have; longer rows are cut at the end, counted and logged. 1,024.</summary>
    public int MaxLength { get; init; } = 1024;

    /// <summary>Whether the end-of-sequence token follows the completion, so that the model learns to stop. True; without effect for a tokenizer that has none.</summary>
    public bool AppendEndOfSequence { get; init; } = true;

    /// <summary>Text between prompt and completion. Empty.</summary>
    public string Separator { get; init; } = "";

    /// <summary>How sequences form a batch. Padded.</summary>
    public BatchLayout Layout { get; init; } = BatchLayout.Padded;

    /// <summary>Name of the prompt's field in a JSON Lines file. <c>prompt</c>.</summary>
    public string PromptField { get; init; } = "prompt";

    /// <summary>Name of the completion's field in a JSON Lines file. <c>completion</c>.</summary>
    public string CompletionField { get; init; } = "completion";
}

/// <summary>Prompts and completions for causal language models. Labels stand on the completion only.</summary>
/// <remarks>Prompt and completion are tokenised apart, so that the border between them is one between tokens.</remarks>
public sealed class InstructionDataset : TrainingDataset
{
    private readonly InstructionOptions options;
    private readonly long padding;
    private readonly List<LabelledSequence> sequences = [];

    /// <summary>Tokenises rows.</summary>
    /// <param name="rows">The rows.</param>
    /// <param name="tokenizer">Makes the ids; the prompt gets the special tokens of its template.</param>
    /// <param name="options">Settings; the defaults if null.</param>
    /// <param name="logger">Is told of rows that were cut or dropped.</param>
    /// <param name="name">What errors call the dataset.</param>
    /// <exception cref="DatasetException">There is no row, or none has a completion within the maximal length.</exception>
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

    /// <summary>Rows whose completion was cut at <see cref="InstructionOptions.MaxLength"/>.</summary>
    public int TruncatedRows { get; private set; }

    /// <summary>Rows left out because nothing of their completion fitted, or it was empty.</summary>
    public int DroppedRows { get; private set; }

    /// <summary>The rows of a JSON Lines file.</summary>
    /// <param name="path">The file, an object with two strings per line.</param>
    /// <param name="tokenizer">Makes the ids.</param>
    /// <param name="options">Settings; the defaults if null.</param>
    /// <param name="logger">Is told of rows that were cut or dropped.</param>
    /// <exception cref="DatasetException">The file cannot be read, a line is wrong (the message names it), or there is nothing to learn.</exception>
    public static InstructionDataset FromFile(string path, ITokenizer tokenizer, InstructionOptions? options = null, ILogger? logger = null)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        var fields = options ?? new();
        var rows = JsonLines.Read(path, (row, line) => new InstructionRow(
            JsonLines.Text(row, fields.PromptField, path, line), JsonLines.Text(row, fields.CompletionField, path, line)));
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

        // The first position of a sequence is never predicted; in a packed row its label would be learned from the sequence before.
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
