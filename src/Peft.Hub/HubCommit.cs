namespace Peft;

/// <summary>A commit on the hub that an upload has made.</summary>
/// <param name="Commit">Its hash.</param>
/// <param name="Url">Its page; null if the hub names none.</param>
/// <param name="Files">Number of files in the commit.</param>
/// <param name="Bytes">Number of bytes that were sent; large files that the hub held already are not sent again.</param>
public sealed record HubCommit(string Commit, string? Url, int Files, long Bytes);
