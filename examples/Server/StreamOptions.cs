namespace Peft.Server;

/// <summary>Whether the last part of a stream has the numbers of tokens.</summary>
internal sealed record StreamOptions(bool IncludeUsage);
