using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;

namespace Peft.Hub.Tests;

/// <summary>A hub that takes uploads as Hugging Face's does: files above a size go to its storage, whole or in parts, and a commit names them.</summary>
public sealed class UploadHub
{
    private readonly Dictionary<string, SortedDictionary<int, byte[]>> parts = [];

    /// <summary>Where the hub is.</summary>
    public string Address { get; set; } = "https://hub.test";

    /// <summary>Where the storage is.</summary>
    public string Storage { get; set; } = "https://storage.test";

    /// <summary>From which size on a file is large.</summary>
    public int LargeFrom { get; init; } = 100;

    /// <summary>Bytes of a part; null to take files whole.</summary>
    public int? PartSize { get; init; }

    /// <summary>Large files by their SHA-256.</summary>
    public Dictionary<string, byte[]> Stored { get; } = [];

    /// <summary>Files of the last commit.</summary>
    public Dictionary<string, byte[]> Files { get; } = [];

    /// <summary>Requests as method and path.</summary>
    public List<string> Requests { get; } = [];

    /// <summary>The token that each host was sent.</summary>
    public List<(string Host, string? Token)> Tokens { get; } = [];

    /// <summary>Message of the last commit.</summary>
    public string? Message { get; private set; }

    /// <summary>Asked first; the first answer that is not null counts.</summary>
    public Func<string, (int Status, string Body)?> Fault { get; set; } = _ => null;

    /// <summary>Answers a request.</summary>
    public (int Status, string Body, string? Etag) Answer(string method, Uri address, string? token, byte[] body)
    {
        lock (parts)
        {
            var path = Uri.UnescapeDataString(address.AbsolutePath);
            Requests.Add($"{method} {path}");
            Tokens.Add((address.Host, token));
            if (Fault($"{method} {path}") is { } fault) return (fault.Status, fault.Body, null);
            if (path.StartsWith("/storage/", StringComparison.Ordinal)) return Store(method, path.Split('/')[2..], body);
            var text = Encoding.UTF8.GetString(body);
            return path switch
            {
                "/api/repos/create" => (Files.Count > 0 ? 409 : 200, "{}", null),
                "/api/models/org/new/preupload/main" => (200, new JsonObject { ["files"] = new JsonArray([.. JsonNode.Parse(text)!["files"]!.AsArray().Select(file => new JsonObject { ["path"] = (string)file!["path"]!, ["uploadMode"] = (long)file["size"]! >= LargeFrom ? "lfs" : "regular" })]) }.ToJsonString(), null),
                "/org/new.git/info/lfs/objects/batch" => (200, Batch(JsonNode.Parse(text)!), null),
                "/api/models/org/new/commit/main" => Commit(text),
                _ => (404, "", null),
            };
        }
    }

    private string Batch(JsonNode request) => new JsonObject
    {
        ["objects"] = new JsonArray([.. request["objects"]!.AsArray().Select(each =>
        {
            var (oid, size) = ((string)each!["oid"]!, (long)each["size"]!);
            var answer = new JsonObject { ["oid"] = oid, ["size"] = size };
            if (Stored.ContainsKey(oid)) return answer;
            var header = new JsonObject { ["X-Of-Storage"] = "1" };
            if (PartSize is { } part)
            {
                header["chunk_size"] = part.ToString();
                for (var number = 1; (number - 1) * part < size; number++) header[number.ToString("00000")] = $"{Storage}/storage/{oid}/{number}";
            }
            answer["actions"] = new JsonObject { ["upload"] = new JsonObject { ["href"] = $"{Storage}/storage/{oid}", ["header"] = header }, ["verify"] = new JsonObject { ["href"] = $"{Address}/storage/{oid}/verify" } };
            return answer;
        })]),
    }.ToJsonString();

    private (int, string, string?) Store(string method, string[] path, byte[] body)
    {
        switch (method, path)
        {
            case ("PUT", [var oid]):
                Stored[oid] = body;
                return (200, "", null);
            case ("PUT", [var oid, var number]):
                if (!parts.TryGetValue(oid, out var all)) parts[oid] = all = [];
                all[int.Parse(number)] = body;
                return (200, "", $"\"etag-{number}\"");
            case ("POST", [_, "verify"]):
                return (200, "{}", null);
            case ("POST", [var oid]):
                var named = JsonNode.Parse(body)!["parts"]!.AsArray().Select(part => (string)part!["etag"]!).ToList();
                if (!named.SequenceEqual(parts[oid].Keys.Select(number => $"\"etag-{number}\""))) return (400, "other parts", null);
                Stored[oid] = [.. parts[oid].Values.SelectMany(part => part)];
                return (200, "{}", null);
            default:
                return (404, "", null);
        }
    }

    private (int, string, string?) Commit(string lines)
    {
        foreach (var line in lines.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonNode.Parse(line)!))
        {
            var value = line["value"]!;
            switch ((string)line["key"]!)
            {
                case "header":
                    Message = (string)value["summary"]!;
                    break;
                case "file":
                    Files[(string)value["path"]!] = Convert.FromBase64String((string)value["content"]!);
                    break;
                case "lfsFile":
                    if (!Stored.TryGetValue((string)value["oid"]!, out var bytes) || Convert.ToHexStringLower(SHA256.HashData(bytes)) != (string)value["oid"]!) return (400, "not stored", null);
                    Files[(string)value["path"]!] = bytes;
                    break;
            }
        }
        return (200, "{\"commitOid\":\"0123456789abcdef0123456789abcdef01234567\",\"commitUrl\":\"https://hub.test/org/new/commit/0123\",\"success\":true}", null);
    }
}
