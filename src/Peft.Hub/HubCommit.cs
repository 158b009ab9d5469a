namespace Peft;

/// <summary>A commit on the hub, created by an upload.</summary>
/// <param name="Commit">Its hash.</param>
/// <param name="Url">Its page; null if the hub returned none.</param>
/// <param name="Files">Number of files in the commit.</param>
/// <param name="Bytes">Number of bytes sent, without large files that the hub already had.</param>
public sealed record HubCommit(string Commit, string? Url, int Files, long Bytes);
