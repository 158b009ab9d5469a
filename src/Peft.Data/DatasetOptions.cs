namespace Peft;

/// <summary>Selects the rows of a dataset, and how they are read.</summary>
public sealed record DatasetOptions
{
    /// <summary>The split. <c>train</c> by default. <c>dev</c>, <c>val</c> and <c>valid</c> also mean <c>validation</c>.</summary>
    public string Split { get; init; } = "train";

    /// <summary>The configuration, if the dataset has several (<c>configs</c> of its README.md); null for the default one.</summary>
    public string? Configuration { get; init; }

    /// <summary>Patterns of the files to read, such as <c>data/2024-*.jsonl</c>, relative to the folder or repository; null to find the files of the split.</summary>
    public IReadOnlyList<string>? Files { get; init; }

    /// <summary>Branch, tag or commit of a dataset on the hub; null for <c>main</c>.</summary>
    public string? Revision { get; init; }

    /// <summary>Options for accessing the hub.</summary>
    public HubOptions? Hub { get; init; }

    /// <summary>What a row of a text file is. A line by default.</summary>
    public TextUnit TextUnit { get; init; } = TextUnit.Line;

    /// <summary>Name of the field of a JSON file that holds the list of rows, if the file is an object; null to read its only list.</summary>
    public string? JsonField { get; init; }
}
