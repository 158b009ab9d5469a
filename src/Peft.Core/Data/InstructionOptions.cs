namespace Peft;

/// <summary>Settings of an <see cref="InstructionDataset"/>.</summary>
public sealed record InstructionOptions
{
    /// <summary>Maximum number of tokens per row; longer rows are truncated at the end, counted and logged. 1,024 by default.</summary>
    public int MaxLength { get; init; } = 1024;

    /// <summary>
    /// True to append the end-of-sequence token to the completion, so that the model learns to stop. True by default; no effect for a tokenizer without such a
    /// token.
    /// </summary>
    public bool AppendEndOfSequence { get; init; } = true;

    /// <summary>Text between prompt and completion. Empty by default.</summary>
    public string Separator { get; init; } = "";

    /// <summary>Layout of the sequences in a batch. Padded by default.</summary>
    public BatchLayout Layout { get; init; } = BatchLayout.Padded;

    /// <summary>Name of the prompt field in a JSON Lines file. <c>prompt</c> by default.</summary>
    public string PromptField { get; init; } = "prompt";

    /// <summary>Name of the completion field in a JSON Lines file. <c>completion</c> by default.</summary>
    public string CompletionField { get; init; } = "completion";
}
