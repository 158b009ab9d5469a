namespace Peft;

/// <summary>Settings of a <see cref="PromptDataset"/>.</summary>
public sealed record PromptDatasetOptions
{
    /// <summary>Maximum number of tokens of a prompt, at least 2; longer ones are dropped, never cut. Null, the default and TRL's rule, for no maximum.</summary>
    public int? MaxLength { get; init; }

    /// <summary>Options of the chat template. Its generation prompt is set as needed.</summary>
    public ChatTemplateOptions Template { get; init; } = new();
}
