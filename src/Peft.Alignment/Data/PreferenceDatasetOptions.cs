namespace Peft;

/// <summary>Settings of a <see cref="PreferenceDataset"/>. The defaults are TRL's.</summary>
public sealed record PreferenceDatasetOptions
{
    /// <summary>Maximum number of tokens of prompt and completion, at least 2; longer ones are truncated. Null for no maximum. 1,024 by default.</summary>
    public int? MaxLength { get; init; } = 1024;

    /// <summary>Which part of longer ones is kept. With <see cref="TruncationMode.KeepStart"/>, the default, pairs are dropped if their prompt alone has the maximum length.</summary>
    public TruncationMode Truncation { get; init; } = TruncationMode.KeepStart;

    /// <summary>True to read a third, gold completion from the field <c>reference</c>, which <see cref="TpoObjective"/> needs.</summary>
    public bool HasReference { get; init; }

    /// <summary>Options of the chat template. Its generation prompt is set as needed.</summary>
    public ChatTemplateOptions Template { get; init; } = new();
}
