using System.Text.Json.Nodes;

namespace Peft;

/// <summary>A row of a <see cref="Dataset"/>.</summary>
/// <param name="Fields">Its columns. A column that the row lacks is absent or null.</param>
/// <param name="Place">Its position for error messages, such as <c>train.jsonl, line 3</c>.</param>
public sealed record DatasetRow(JsonObject Fields, string Place);
