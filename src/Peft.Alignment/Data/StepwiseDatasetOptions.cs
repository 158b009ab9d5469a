namespace Peft;

/// <summary>Settings of a <see cref="StepwiseDataset"/>. The defaults are TRL's.</summary>
public sealed record StepwiseDatasetOptions
{
    /// <summary>Ends each step; the last of its tokens has the step's label. A line feed by default.</summary>
    public string StepSeparator { get; init; } = "\n";

    /// <summary>Maximum number of tokens of a row, at least 2; the steps beyond it are cut off. Null for no maximum. 1,024 by default.</summary>
    public int? MaxLength { get; init; } = 1024;

    /// <summary>Maximum number of tokens of the prompt, of which the first special token and the last ones are kept. Null, the default, for no maximum.</summary>
    public int? MaxPromptLength { get; init; }

    /// <summary>True to learn from the last step of each row only (an outcome-supervised reward model).</summary>
    public bool LastStepOnly { get; init; }
}
