namespace Peft.Hub;

/// <summary>A file of a repository.</summary>
/// <param name="Size">Size in bytes; null if unknown.</param>
/// <param name="BlobId">Git's hash of the file, or of its LFS pointer; null if unknown.</param>
/// <param name="Sha256">SHA-256 of a large file; null for small ones.</param>
internal sealed record ListedFile(long? Size, string? BlobId, string? Sha256);
