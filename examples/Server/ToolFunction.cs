using System.Text.Json;

namespace Peft.Server;

/// <summary>A function with the JSON schema of its parameters.</summary>
internal sealed record ToolFunction(string? Name, string? Description, JsonElement? Parameters, bool? Strict);
