namespace Peft.Server;

/// <summary>What every part of an answer repeats.</summary>
internal sealed record Head(string Id, long Created, string Model);
