namespace Peft;

/// <summary>Settings of an <see cref="UnpairedDataset"/>. The defaults are TRL's.</summary>
public sealed record UnpairedDatasetOptions
{
    /// <summary>Maximum number of tokens of prompt and completion, at least 2; longer ones are truncated at the end, and rows are dropped if the prompt alone has that length. Null for no maximum. 1,024 by default.</summary>
    public int? MaxLength { get; init; } = 1024;

    /// <summary>Weights for undesirable rows by their prompts, for <see cref="BcoObjective"/>: the batch holds <c>weight</c> <c>[n]</c>. Null, the default, for none.</summary>
    public DensityRatioOptions? DensityRatios { get; init; }

    /// <summary>Options of the chat template. Its generation prompt is set as needed.</summary>
    public ChatTemplateOptions Template { get; init; } = new();
}
