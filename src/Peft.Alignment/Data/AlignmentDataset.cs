using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Peft;

/// <summary>Rows that were tokenized for alignment. Truncated and dropped rows are counted, and the counts are logged.</summary>
public abstract class AlignmentDataset : TrainingDataset
{
    private List<string> warnings = [];

    private protected AlignmentDataset(string name) => Name = name;

    /// <inheritdoc/>
    public override string Name { get; }

    /// <inheritdoc/>
    public override IReadOnlyList<string> Warnings => warnings;

    /// <summary>Number of rows that were truncated at the maximum length.</summary>
    public int TruncatedRows { get; private protected set; }

    /// <summary>Number of rows that were dropped, since they have nothing to learn within the maximum length.</summary>
    public int DroppedRows { get; private protected set; }

    // Before the rows are prepared: the name is added then.
    private protected void Warn(string warning) => warnings.Add(warning);

    /// <summary>Tokenizes rows, or finds them in a cache; ends with an error if there is nothing to train on.</summary>
    /// <param name="data">The rows.</param>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <param name="cache">The cache; null to tokenize into memory.</param>
    /// <param name="settings">The settings (<see cref="RowSettings"/>).</param>
    /// <param name="encoder">The encoder of the rows, for its warnings.</param>
    /// <param name="maxLength">Maximum number of tokens of a row, for messages.</param>
    /// <param name="logger">Receives the number of truncated and dropped rows.</param>
    /// <param name="tokenize">Tokenizes and passes each row on; counts truncated and dropped rows.</param>
    private protected TokenRows Prepare(Dataset data, Tokenizer tokenizer, TokenCache? cache, Func<string> settings, RowEncoder encoder, int? maxLength, ILogger? logger, Action<Action<long[][]>> tokenize)
    {
        var (rows, facts) = TokenCache.Rows(cache, () => TokenizedContent.Hash(settings(), tokenizer, data.Select(row => row.Fields.ToJsonString())), add =>
        {
            tokenize(add);
            return new(TruncatedRows, DroppedRows, [.. warnings, .. encoder.Warnings]);
        });
        (TruncatedRows, DroppedRows) = (facts.TruncatedRows, facts.DroppedRows);
        warnings = [.. facts.Warnings.Select(each => $"{Name}: {each}")];
        if (rows.Count == 0)
            throw new DatasetException(DroppedRows == 0
                ? $"{Name} has no rows."
                : $"None of the {DroppedRows} rows of {Name} has anything to learn within {maxLength} tokens: raise MaxLength or shorten the prompts.");
        if (TruncatedRows + DroppedRows > 0) TrainingLog.RowsCut(logger ?? NullLogger.Instance, Name, TruncatedRows, DroppedRows, maxLength ?? int.MaxValue);
        return rows;
    }

    private protected static void RequireLength(int? maxLength)
    {
        if (maxLength is { } length) ArgumentOutOfRangeException.ThrowIfLessThan(length, 2, nameof(maxLength));
    }
}
