using System.Text.Json;
using System.Text.Json.Nodes;

namespace Peft.Hub;

/// <summary>The files of a repository at a commit: from the hub's answer, or from the cache.</summary>
internal sealed record RepoListing(string Commit, IReadOnlyDictionary<string, ListedFile> Files)
{
    /// <summary>Parses the hub's answer to <c>/api/models/{id}/revision/{revision}?blobs=true</c>.</summary>
    public static RepoListing Parse(string repository, ReadOnlyMemory<byte> json)
    {
        using var document = StrictJson.Document(json, "it", Failure);
        var root = new JsonPart(document.RootElement, "it", Failure);
        var commit = root["sha"].AsString();
        if (!HubNames.IsCommit(commit)) throw Failure($"sha is '{commit}'", null);
        var files = new Dictionary<string, ListedFile>(StringComparer.Ordinal);
        foreach (var each in root["siblings"].Items())
        {
            var name = each["rfilename"].AsString();
            HubNames.RequireFile(repository, name);
            files[name] = new(OrNull(each["size"])?.AsLong(), OrNull(each["blobId"])?.AsString(), OrNull(OrNull(each["lfs"])?["sha256"])?.AsString());
        }
        return new(commit, files);

        HubException Failure(string message, Exception? error)
            => new(HubError.InvalidAnswer, $"The answer for {repository} is not that of a hub ({message}). Check HF_ENDPOINT, and check that no proxy answers in its place.", error);
    }

    /// <summary>Parses the cached list of a commit, in the format of Hugging Face's client; null if it is unreadable.</summary>
    public static RepoListing? ParseKept(string commit, ReadOnlyMemory<byte> json)
    {
        Dictionary<string, ListedFile> files;
        try
        {
            using var document = StrictJson.Document(json, "trees", Failure);
            var root = new JsonPart(document.RootElement, "trees", Failure);
            if (root["format_version"].AsInt() != 1) return null;
            files = root["files"].Properties().ToDictionary(
                each => each.Name,
                each => new ListedFile(each.Value["size"].AsLong(), each.Value["blob_id"].AsString(), OrNull(each.Value["lfs_sha256"])?.AsString()),
                StringComparer.Ordinal);
        }
        catch (HubException)
        {
            return null;
        }
        foreach (var name in files.Keys) HubNames.RequireFile("The cache", name);
        return new(commit, files);

        static HubException Failure(string message, Exception? error) => new(HubError.CacheUnusable, message, error);
    }

    private static JsonPart? OrNull(JsonPart? part) => part is { IsNull: false } ? part : null;

    /// <summary>Serializes the list for <see cref="ParseKept"/>; null if the server's answer lacks required fields.</summary>
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
