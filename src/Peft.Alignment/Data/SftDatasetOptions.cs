namespace Peft;

/// <summary>Settings of an <see cref="SftDataset"/>. The defaults are TRL's.</summary>
public sealed record SftDatasetOptions
{
    /// <summary>Maximum number of tokens per row, at least 2; longer rows are truncated. Null for no maximum, which packing does not allow. 1,024 by default.</summary>
    public int? MaxLength { get; init; } = 1024;

    /// <summary>Which part of longer rows is kept. <see cref="TruncationMode.KeepStart"/> by default. Packing always keeps the start.</summary>
    public TruncationMode Truncation { get; init; } = TruncationMode.KeepStart;

    /// <summary>True to learn only completions, false to learn prompts too. Null, the default, for true where rows have prompt and completion.</summary>
    public bool? CompletionOnly { get; init; }

    /// <summary>True to learn only what the assistant says in conversations (<see cref="ChatEncoding.AssistantMask"/>). False by default.</summary>
    public bool AssistantOnly { get; init; }

    /// <summary>True to learn only the last message of conversations, and to take those before it as the prompt, as <see cref="GkdObjective"/> needs it. False by default.</summary>
    public bool LastMessageOnly { get; init; }

    /// <summary>How rows are packed. Not at all by default.</summary>
    public PackingStrategy Packing { get; init; } = PackingStrategy.None;

    /// <summary>
    /// Layout of a batch of rows that are not packed. Padded by default; <see cref="BatchLayout.Packed"/> is TRL's padding-free. The strategies of best fit always use the latter, and
    /// <see cref="PackingStrategy.Wrapped"/> the former.
    /// </summary>
    public BatchLayout Layout { get; init; } = BatchLayout.Padded;

    /// <summary>Name of the field of rows that are plain text. <c>text</c> by default.</summary>
    public string TextField { get; init; } = "text";

    /// <summary>Options of the chat template. Its generation prompt is set as needed.</summary>
    public ChatTemplateOptions Template { get; init; } = new();

    /// <summary>Reasons that the options cannot be used; empty if they can.</summary>
    internal IEnumerable<string> Errors()
    {
        if (MaxLength < 2) yield return $"MaxLength must be at least 2, but was {MaxLength}.";
        if (MaxLength is null && Packing != PackingStrategy.None) yield return $"Packing ({Packing}) needs a MaxLength, but it is null.";
        if (Packing != PackingStrategy.None && Truncation == TruncationMode.KeepEnd) yield return $"Packing ({Packing}) keeps the start of rows, but Truncation is KeepEnd: leave one of them out.";
        if (Packing == PackingStrategy.Wrapped && Layout == BatchLayout.Packed) yield return "Wrapped rows attend to all before them, so that Layout cannot be Packed: use Padded, or the packing BestFit.";
        if (LastMessageOnly && AssistantOnly) yield return "LastMessageOnly and AssistantOnly both say what is learned: leave one of them out.";
        if (string.IsNullOrEmpty(TextField)) yield return "TextField must name a field, but was empty.";
    }
}
