namespace Peft.Data;

/// <summary>A configuration of a dataset: patterns of files by split.</summary>
internal sealed record DatasetConfiguration(string Name, bool IsDefault, IReadOnlyDictionary<string, IReadOnlyList<string>> Files);
