using System.Globalization;
using System.Text.Json.Nodes;

namespace Peft.Hub;

/// <summary>
/// Uploads a folder in one commit. The hub says which files are large; these are uploaded to the storage (Git LFS). The commit then refers to them and contains
/// the small files.
/// </summary>
internal sealed class FolderUpload(UploadRequests requests, HubSubject subject, HubUploadOptions options, ProgressMeter meter)
{
    private const int AlreadyThere = 409, MaxFilesPerRequest = 256;
    private long sent;

    public async Task<HubCommit> RunAsync(string folder, IReadOnlyList<UploadFile> files, CancellationToken cancellationToken)
    {
        var refusal = options.CreateRepository ? await CreateAsync().ConfigureAwait(false) : null;
        var large = new Dictionary<UploadFile, string>();
        try
        {
            foreach (var file in await LargeAsync(files).ConfigureAwait(false)) large.Add(file, await file.HashAsync(cancellationToken).ConfigureAwait(false));
        }
        catch (HubException error) when (refusal is not null && error.Reason == HubError.Unauthorized)
        {
            throw refusal;
        }
        foreach (var part in large.Chunk(MaxFilesPerRequest)) await StoreAsync(part).ConfigureAwait(false);
        var small = files.Where(file => !large.ContainsKey(file)).ToList();
        sent += small.Sum(file => file.Size);
        var answer = await requests.CommitAsync($"api/models/{subject.Repository}/commit/{Uri.EscapeDataString(subject.Revision)}", stream => WriteAsync(stream, folder, small, large, cancellationToken)).ConfigureAwait(false);
        return new((string?)answer["commitOid"] ?? throw Invalid("commitOid"), (string?)answer["commitUrl"], files.Count, sent);
    }

    /// <summary>Creates the repository unless it exists. Returns the refusal of an account that may not create one in this place, but may be allowed to write to it.</summary>
    private async Task<HubException?> CreateAsync()
    {
        var id = subject.Repository.Split('/');
        try
        {
            await requests.PostAsync("api/repos/create", new() { ["type"] = "model", ["organization"] = id[0], ["name"] = id[1], ["private"] = options.IsPrivate }, AlreadyThere).ConfigureAwait(false);
            return null;
        }
        catch (HubException refusal) when (refusal.Reason == HubError.Unauthorized)
        {
            return refusal;
        }
    }

    private async Task<IEnumerable<UploadFile>> LargeAsync(IReadOnlyList<UploadFile> files)
    {
        var large = new HashSet<string>();
        foreach (var part in files.Chunk(MaxFilesPerRequest))
        {
            var body = new JsonObject { ["files"] = new JsonArray([.. part.Select(file => new JsonObject { ["path"] = file.Name, ["size"] = file.Size, ["sample"] = Convert.ToBase64String(file.Sample()) })]) };
            var answer = await requests.PostAsync($"api/models/{subject.Repository}/preupload/{Uri.EscapeDataString(subject.Revision)}", body).ConfigureAwait(false);
            foreach (var file in answer["files"] as JsonArray ?? throw Invalid("files"))
                if ((string?)file?["uploadMode"] == "lfs") large.Add((string?)file["path"] ?? throw Invalid("path"));
        }
        return files.Where(file => large.Contains(file.Name) && file.Size > 0);
    }

    private async Task StoreAsync(IReadOnlyList<KeyValuePair<UploadFile, string>> files)
    {
        var body = new JsonObject
        {
            ["operation"] = "upload",
            ["transfers"] = new JsonArray("basic", "multipart"),
            ["hash_algo"] = "sha256",
            ["ref"] = new JsonObject { ["name"] = subject.Revision },
            ["objects"] = new JsonArray([.. files.DistinctBy(file => file.Value).Select(file => new JsonObject { ["oid"] = file.Value, ["size"] = file.Key.Size })]),
        };
        var answer = await requests.PostAsync($"{subject.Repository}.git/info/lfs/objects/batch", body, lfs: true).ConfigureAwait(false);
        foreach (var each in answer["objects"] as JsonArray ?? throw Invalid("objects"))
        {
            var file = files.FirstOrDefault(file => file.Value == (string?)each?["oid"]).Key ?? throw Invalid("oid");
            if (each!["error"] is JsonObject error) throw new HubException(HubError.InvalidAnswer, $"The storage of {subject.Repository} rejected {file.Name}: {error["message"]}");
            if (each["actions"] is not JsonObject actions) continue;   // already stored
            await SendAsync(file, (string)each["oid"]!, actions["upload"] as JsonObject ?? throw Invalid("upload")).ConfigureAwait(false);
            sent += file.Size;
            if (actions["verify"] is JsonObject verify) await requests.PostAsync(Address(verify), new() { ["oid"] = (string)each["oid"]!, ["size"] = file.Size }).ConfigureAwait(false);
        }
    }

    // The storage takes large files in parts, each at its own address: "header": { "chunk_size": "…", "00001": "https://…" }.
    private async Task SendAsync(UploadFile file, string oid, JsonObject upload)
    {
        var headers = (upload["header"] as JsonObject ?? []).ToDictionary(header => header.Key, header => header.Value?.ToString() ?? "");
        if (!headers.Remove("chunk_size", out var text))
        {
            await requests.PutAsync(Address(upload), file, 0, file.Size, headers).ConfigureAwait(false);
            meter.Tell(file.Name, file.Size, file.Size);
            return;
        }
        if (!long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var size) || size < 1) throw Invalid("chunk_size");
        var parts = new JsonArray();
        foreach (var (number, address) in headers.Where(header => int.TryParse(header.Key, NumberStyles.None, CultureInfo.InvariantCulture, out _)).OrderBy(header => int.Parse(header.Key, CultureInfo.InvariantCulture)))
        {
            var from = parts.Count * size;
            if (from >= file.Size) break;
            var etag = await requests.PutAsync(Secure(address), file, from, Math.Min(size, file.Size - from), new Dictionary<string, string>()).ConfigureAwait(false) ?? throw Invalid("ETag");
            meter.Tell(file.Name, Math.Min(from + size, file.Size), file.Size);
            parts.Add(new JsonObject { ["partNumber"] = int.Parse(number, CultureInfo.InvariantCulture), ["etag"] = etag });
        }
        if (parts.Count * size < file.Size) throw Invalid("addresses of parts");
        await requests.PostAsync(Address(upload), new() { ["oid"] = oid, ["parts"] = parts }).ConfigureAwait(false);
    }

    private async Task WriteAsync(Stream stream, string folder, IReadOnlyList<UploadFile> small, IReadOnlyDictionary<UploadFile, string> large, CancellationToken cancellationToken)
    {
        async Task Line(string key, JsonObject value)
        {
            await stream.WriteAsync(System.Text.Encoding.UTF8.GetBytes(new JsonObject { ["key"] = key, ["value"] = value }.ToJsonString() + "\n"), cancellationToken).ConfigureAwait(false);
        }
        await Line("header", new() { ["summary"] = options.Message ?? $"Upload folder {Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder)))}", ["description"] = "" }).ConfigureAwait(false);
        foreach (var file in small)
            await Line("file", new() { ["path"] = file.Name, ["encoding"] = "base64", ["content"] = Convert.ToBase64String(await File.ReadAllBytesAsync(file.Path, cancellationToken).ConfigureAwait(false)) }).ConfigureAwait(false);
        foreach (var (file, oid) in large) await Line("lfsFile", new() { ["path"] = file.Name, ["algo"] = "sha256", ["oid"] = oid, ["size"] = file.Size }).ConfigureAwait(false);
    }

    private Uri Address(JsonObject action) => Secure((string?)action["href"] ?? throw Invalid("href"));

    private Uri Secure(string address)
        => Uri.TryCreate(address, UriKind.Absolute, out var uri) && uri.Scheme is "https" or "http" ? uri : throw Invalid("href");

    private HubException Invalid(string field) => new(HubError.InvalidAnswer, $"The hub's answer to the upload to {subject.Repository} has no valid '{field}'. Check HF_ENDPOINT. Nothing was committed.");
}
