namespace Peft;

/// <summary>Settings of a <see cref="RewardDataset"/>. The defaults are TRL's.</summary>
public sealed record RewardDatasetOptions
{
    /// <summary>Maximum number of tokens of a text, at least 2; pairs with a longer one are dropped, since the score is that of the whole text. Null for no maximum. 1,024 by default.</summary>
    public int? MaxLength { get; init; } = 1024;

    /// <summary>Options of the chat template.</summary>
    public ChatTemplateOptions Template { get; init; } = new();
}
