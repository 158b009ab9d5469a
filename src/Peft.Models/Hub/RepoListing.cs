using System.Text.Json;
using System.Text.Json.Nodes;

namespace Peft.Models;

/// <summary>A file of a repository.</summary>
/// <param name="Size">Size in bytes, if known.</param>
/// <param name="BlobId">Git's hash of the file, or of the pointer to it, if known.</param>
/// <param name="Sha256">Hash of a large file; null for small ones.</param>
internal sealed record ListedFile(long? Size, string? BlobId, string? Sha256);

/// <summary>The files of a repository at a commit: the hub's answer, or what the cache keeps of it.</summary>
internal sealed record RepoListing(string Commit, IReadOnlyDictionary<string, ListedFile> Files)
{
    /// <summary>Reads the hub's answer to <c>/api/models/{id}/revision/{revision}?blobs=true</c>.</summary>
    public static RepoListing Parse(string repository, string json)
    {
        try
        {
            var root = JsonNode.Parse(json)!.AsObject();
            var commit = root["sha"]!.GetValue<string>();
            if (!HubNames.IsCommit(commit)) throw new FormatException($"sha is '{commit}'");
            var files = new Dictionary<string, ListedFile>(StringComparer.Ordinal);
            foreach (var each in root["siblings"]!.AsArray())
            {
                var name = each!["rfilename"]!.GetValue<string>();
                HubNames.RequireFile(repository, name);
                files[name] = new(each["size"]?.GetValue<long>(), each["blobId"]?.GetValue<string>(), each["lfs"]?["sha256"]?.GetValue<string>());
            }
            return new(commit, files);
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException or FormatException or NullReferenceException)
        {
            throw new HubException(HubError.InvalidAnswer, $"The answer about {repository} is not the hub's ({error.Message}). Check HF_ENDPOINT, and that no proxy answers in its place.", error);
        }
    }

    /// <summary>Reads what the cache keeps of a commit, in the form of Hugging Face's own client; null if that is not readable.</summary>
    public static RepoListing? ParseKept(string commit, string json)
    {
        try
        {
            var root = JsonNode.Parse(json)!.AsObject();
            if (root["format_version"]!.GetValue<int>() != 1) return null;
            var files = root["files"]!.AsObject().ToDictionary(
                each => each.Key,
                each => new ListedFile(each.Value!["size"]!.GetValue<long>(), each.Value["blob_id"]!.GetValue<string>(), each.Value["lfs_sha256"]?.GetValue<string>()),
                StringComparer.Ordinal);
            foreach (var name in files.Keys) HubNames.RequireFile("The cache", name);
            return new(commit, files);
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException or FormatException or NullReferenceException)
        {
            return null;
        }
    }

    /// <summary>The text that <see cref="ParseKept"/> reads; null if the server told too little for it.</summary>
    public string? Keep()
    {
        var files = new JsonObject();
        foreach (var (name, file) in Files.OrderBy(each => each.Key, StringComparer.Ordinal))
        {
            if (file.Size is not { } size || file.BlobId is null) return null;
            var entry = new JsonObject { ["size"] = size, ["blob_id"] = file.BlobId };
            if (file.Sha256 is not null) (entry["lfs_sha256"], entry["lfs_size"]) = (file.Sha256, size);
            files[name] = entry;
        }
        return new JsonObject { ["format_version"] = 1, ["files"] = files }.ToJsonString(Indented);
    }

    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true, IndentSize = 1, NewLine = "\n" };
}
