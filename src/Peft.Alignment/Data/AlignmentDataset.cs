using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Peft;

/// <summary>Rows that were tokenized for alignment. Truncated and dropped rows are counted, and the counts are logged.</summary>
public abstract class AlignmentDataset : TrainingDataset
{
    private readonly List<string> warnings = [];

    private protected AlignmentDataset(string name) => Name = name;

    /// <inheritdoc/>
    public override string Name { get; }

    /// <inheritdoc/>
    public override IReadOnlyList<string> Warnings => warnings;

    /// <summary>Number of rows that were truncated at the maximum length.</summary>
    public int TruncatedRows { get; private protected set; }

    /// <summary>Number of rows that were dropped, since they have nothing to learn within the maximum length.</summary>
    public int DroppedRows { get; private protected set; }

    private protected void Warn(string warning) => warnings.Add($"{Name}: {warning}");

    /// <summary>Tokenizes rows, or finds them in a cache.</summary>
    /// <param name="cache">The cache; null to tokenize into memory.</param>
    /// <param name="key">The key in the cache.</param>
    /// <param name="encoder">The encoder of the rows, for its warnings.</param>
    /// <param name="tokenize">Tokenizes and passes each row on; counts truncated and dropped rows.</param>
    private protected TokenRows Prepare(TokenCache? cache, Func<string> key, RowEncoder encoder, Action<Action<long[][]>> tokenize)
    {
        if (cache is null)
        {
            var memory = new MemoryRows();
            tokenize(memory.Add);
            warnings.AddRange(encoder.Warnings.Select(each => $"{Name}: {each}"));
            return memory;
        }
        var (rows, facts) = cache.GetOrAdd(key(), add =>
        {
            tokenize(add);
            return new(TruncatedRows, DroppedRows, [.. warnings.Select(each => each[(Name.Length + 2)..]), .. encoder.Warnings]);
        });
        warnings.Clear();
        (TruncatedRows, DroppedRows) = (facts.TruncatedRows, facts.DroppedRows);
        warnings.AddRange(facts.Warnings.Select(each => $"{Name}: {each}"));
        return rows;
    }

    /// <summary>Ends the preparation: warnings, counts, and an error if there is nothing to train on.</summary>
    private protected void Finish(RowEncoder encoder, int? maxLength, ILogger? logger)
    {
        foreach (var warning in encoder.Warnings) Warn(warning);
        Finish(maxLength, logger);
    }

    /// <summary>Ends the preparation of rows whose warnings are known: counts, and an error if there is nothing to train on.</summary>
    private protected void Finish(int? maxLength, ILogger? logger)
    {
        if (Count == 0)
            throw new DatasetException(DroppedRows == 0
                ? $"{Name} has no rows."
                : $"None of the {DroppedRows} rows of {Name} has anything to learn within {maxLength} tokens: raise MaxLength or shorten the prompts.");
        if (TruncatedRows + DroppedRows > 0) TrainingLog.RowsCut(logger ?? NullLogger.Instance, Name, TruncatedRows, DroppedRows, maxLength ?? int.MaxValue);
    }

    private protected static void RequireLength(int? maxLength)
    {
        if (maxLength is { } length) ArgumentOutOfRangeException.ThrowIfLessThan(length, 2, nameof(maxLength));
    }
}
