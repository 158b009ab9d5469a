namespace Peft.Models;

/// <summary>Options of a <see cref="ChatDataset"/>.</summary>
public sealed record ChatDatasetOptions
{
    /// <summary>Maximum number of tokens per conversation; longer ones are truncated at the end, counted and logged. Default 1,024.</summary>
    public int MaxLength { get; init; } = 1024;

    /// <summary>How sequences are combined into a batch. Default padded.</summary>
    public BatchLayout Layout { get; init; } = BatchLayout.Padded;

    /// <summary>
    /// Ids that stop generation, such as <c>eos_token_id</c> in the model's <c>generation_config.json</c>; null for all special tokens of the tokenizer.
    /// An assistant message that ends with none of them causes a warning (<see cref="ChatDataset"/>).
    /// </summary>
    public IReadOnlyList<int>? EndTokenIds { get; init; }

    /// <summary>Options of the chat template. Its generation prompt is ignored.</summary>
    public ChatTemplateOptions Template { get; init; } = new();

    /// <summary>Name of the field with the messages in a JSON Lines file. Default <c>messages</c>.</summary>
    public string MessagesField { get; init; } = "messages";
}
