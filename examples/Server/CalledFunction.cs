namespace Peft.Server;

/// <summary>The name of a function and its arguments, a JSON object as text.</summary>
internal sealed record CalledFunction(string? Name, string? Arguments);
