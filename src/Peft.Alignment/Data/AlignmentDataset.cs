using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Peft;

/// <summary>Rows that were tokenized for alignment. Rows that were cut or dropped are counted, and the counts are logged.</summary>
public abstract class AlignmentDataset : TrainingDataset
{
    private readonly List<string> warnings = [];

    private protected AlignmentDataset(string name) => Name = name;

    /// <inheritdoc/>
    public override string Name { get; }

    /// <inheritdoc/>
    public override IReadOnlyList<string> Warnings => warnings;

    /// <summary>Number of rows that were cut at the maximum length.</summary>
    public int TruncatedRows { get; private protected set; }

    /// <summary>Number of rows that were dropped, since they have nothing to learn within the maximum length.</summary>
    public int DroppedRows { get; private protected set; }

    private protected void Warn(string warning) => warnings.Add($"{Name}: {warning}");

    /// <summary>Ends the preparation: warnings, counts, and an error if there is nothing to train on.</summary>
    private protected void Finish(RowEncoder encoder, int? maxLength, ILogger? logger)
    {
        foreach (var warning in encoder.Warnings) Warn(warning);
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
