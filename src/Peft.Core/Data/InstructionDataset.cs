using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Peft;

/// <summary>Prompts and completions for causal language models. Only the completions have labels.</summary>
/// <remarks>Prompt and completion are tokenized separately, so that no token spans both.</remarks>
public sealed class InstructionDataset : TrainingDataset
{
    private readonly InstructionOptions options;
    private readonly long padding;
    private readonly TokenRows sequences;   // ids and labels

    /// <summary>Tokenizes rows.</summary>
    /// <param name="rows">The rows.</param>
    /// <param name="tokenizer">The tokenizer; the prompt gets the special tokens of its template.</param>
    /// <param name="options">Settings; the defaults if null.</param>
    /// <param name="logger">Receives the number of truncated and dropped rows.</param>
    /// <param name="name">Name of the dataset in error messages.</param>
    /// <exception cref="DatasetException">There are no rows, or none has a completion within the maximum length.</exception>
    public InstructionDataset(
        IEnumerable<InstructionRow> rows, ITokenizer tokenizer, InstructionOptions? options = null, ILogger? logger = null, string name = "instruction dataset")
        : this(rows, tokenizer, options ?? new(), logger, name, cache: null) { }

    private InstructionDataset(IEnumerable<InstructionRow> rows, ITokenizer tokenizer, InstructionOptions options, ILogger? logger, string name, TokenCache? cache)
    {
        ArgumentNullException.ThrowIfNull(rows);
        ArgumentNullException.ThrowIfNull(tokenizer);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.MaxLength, 2, nameof(InstructionOptions.MaxLength));
        (this.options, Name) = (options, name);
        padding = tokenizer.PadId ?? tokenizer.EndOfSequenceId ?? 0;
        (sequences, var facts) = TokenCache.Rows(cache, () => TokenizedContent.Hash($"{nameof(InstructionDataset)} {options.MaxLength} {options.AppendEndOfSequence} {options.Separator}", tokenizer, Texts(rows, name)), add => Tokenize(rows, tokenizer, options, name, add));
        (TruncatedRows, DroppedRows) = (facts.TruncatedRows, facts.DroppedRows);
        if (TruncatedRows + DroppedRows > 0) TrainingLog.RowsCut(logger ?? NullLogger.Instance, name, TruncatedRows, DroppedRows, options.MaxLength);
    }

    /// <inheritdoc/>
    public override int Count => sequences.Count;

    /// <inheritdoc/>
    public override string Name { get; }

    /// <summary>Number of rows whose completion was truncated at <see cref="InstructionOptions.MaxLength"/>.</summary>
    public int TruncatedRows { get; }

    /// <summary>Number of rows that were dropped because their completion was empty or entirely beyond the maximum length.</summary>
    public int DroppedRows { get; }

    /// <summary>Reads the rows of a JSON Lines file.</summary>
    /// <param name="path">The file, with one object of two strings per line.</param>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <param name="options">Settings; the defaults if null.</param>
    /// <param name="logger">Receives the number of truncated and dropped rows.</param>
    /// <exception cref="DatasetException">The file cannot be read, a line is invalid (the message names it), or no row can be used for training.</exception>
    public static InstructionDataset FromFile(string path, ITokenizer tokenizer, InstructionOptions? options = null, ILogger? logger = null) => FromFile(path, tokenizer, options, logger, null);

    /// <summary>Reads the rows of a JSON Lines file, whose tokens are kept on disk.</summary>
    /// <param name="path">The file, with one object of two strings per line.</param>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <param name="options">Settings; the defaults if null.</param>
    /// <param name="logger">Receives the number of truncated and dropped rows.</param>
    /// <param name="cache">Keeps the tokens on disk, and finds them there the next time; null to keep them in memory.</param>
    /// <exception cref="DatasetException">The file cannot be read, a line is invalid (the message names it), or no row can be used for training.</exception>
    /// <exception cref="ArgumentException">The tokenizer has no fingerprint, which a cache needs.</exception>
    public static InstructionDataset FromFile(string path, ITokenizer tokenizer, InstructionOptions? options, ILogger? logger, TokenCache? cache)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        var fields = options ?? new();
        var rows = JsonLines.Read(path).Select(row => new InstructionRow(JsonLines.Text(row.Fields, fields.PromptField, row.Place), JsonLines.Text(row.Fields, fields.CompletionField, row.Place)));
        return new(rows, tokenizer, fields, logger, path, cache);
    }

    /// <inheritdoc/>
    public override int LengthOf(int row)
    {
        RequireRow(row, Count);
        return sequences.LengthsOf(row)[0];
    }

    /// <inheritdoc/>
    public override Batch GetBatch(IReadOnlyList<int> rows)
    {
        RequireRows(rows, Count);
        return LabelledSequence.ToBatch([.. rows.Select(row => sequences[row]).Select(row => new LabelledSequence(row[0], row[1]))], options.Layout, padding);
    }

    private static IEnumerable<string> Texts(IEnumerable<InstructionRow> rows, string name)
    {
        var count = 0;
        foreach (var row in rows)
        {
            if (row is not { Prompt: not null, Completion: not null }) throw new DatasetException($"{name}: row {count} has no prompt or no completion.");
            yield return row.Prompt;
            yield return row.Completion;
            count++;
        }
    }

    private static TokenizedFacts Tokenize(IEnumerable<InstructionRow> rows, ITokenizer tokenizer, InstructionOptions options, string name, Action<long[][]> add)
    {
        var (kept, truncated, dropped) = (0, 0, 0);
        foreach (var pair in Texts(rows, name).Chunk(2))
        {
            var prompt = tokenizer.Encode(pair[0] + options.Separator);
            var completion = tokenizer.Encode(pair[1], addSpecialTokens: false);
            IEnumerable<int> end = options.AppendEndOfSequence && tokenizer.EndOfSequenceId is { } id ? [id] : [];
            long[] ids = [.. prompt.Concat(completion).Concat(end).Take(options.MaxLength).Select(token => (long)token)];

            // The first position of a sequence is never predicted; in a packed row its label would be predicted from the preceding sequence.
            var first = Math.Max(1, prompt.Count);
            if (ids.Length <= first || completion.Count == 0)
            {
                dropped++;
                continue;
            }
            kept++;
            if (prompt.Count + completion.Count + end.Count() > options.MaxLength) truncated++;
            add([ids, [.. ids.Select((token, position) => position < first ? Batch.IgnoredLabel : token)]]);
        }
        if (kept > 0) return new(truncated, dropped, []);
        throw new DatasetException(dropped == 0
            ? $"{name} has no rows."
            : $"None of the {dropped} rows of {name} has a completion within {options.MaxLength} tokens: raise MaxLength or shorten the prompts.");
    }
}
