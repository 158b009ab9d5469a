using System.Security.Cryptography;
using System.Text.Json.Nodes;

namespace Peft.Hub.Tests;

/// <summary>A hub with one repository: small files come from it, large ones from a storage on another host. Faults are put in front of its answers.</summary>
public sealed class FakeHub
{
    public const string Commit = "0123456789abcdef0123456789abcdef01234567";
    private readonly Lock busy = new();

    /// <summary>Where the hub is.</summary>
    public string Address { get; set; } = "https://hub.test";

    /// <summary>Where the large files are.</summary>
    public string Storage { get; set; } = "https://storage.test";

    public string Repository { get; set; } = "org/tiny";

    /// <summary>True if the repository is a dataset, not a model.</summary>
    public bool IsDataset { get; set; }

    /// <summary>What the branch main is.</summary>
    public string Main { get; set; } = Commit;

    public Dictionary<string, byte[]> Small { get; } = new()
    {
        ["config.json"] = "{\"model_type\":\"llama\"}\n"u8.ToArray(),
        ["tokenizer.json"] = "{}\n"u8.ToArray(),
        ["additional_chat_templates/tool.jinja"] = "{{ tools }}\n"u8.ToArray(),
    };

    public Dictionary<string, byte[]> Large { get; } = new()
    {
        ["model.safetensors"] = [.. Enumerable.Range(0, 1 << 20).Select(i => (byte)i)],
    };

    public List<FakeRequest> Requests { get; } = [];

    /// <summary>Asked first; the first answer that is not null counts.</summary>
    public Func<FakeRequest, FakeReply?> Fault { get; set; } = _ => null;

    /// <summary>A fault that occurs the first so many times only.</summary>
    public void FailFirst(int times, Func<FakeRequest, bool> which, Func<FakeRequest, FakeReply> fault)
        => Fault = request => which(request) && times-- > 0 ? fault(request) : null;

    public IEnumerable<string> Paths => Requests.Select(request => $"{request.Method} {request.Address.AbsolutePath}");

    public FakeReply Answer(FakeRequest request)
    {
        lock (busy)
        {
            Requests.Add(request);
            return Fault(request) ?? Usual(request);
        }
    }

    public FakeReply Usual(FakeRequest request)
    {
        var path = Uri.UnescapeDataString(request.Address.AbsolutePath).TrimStart('/');
        if (path.StartsWith("storage/", StringComparison.Ordinal)) return Bytes(request, Large.Values.Single(each => Sha256(each) == path["storage/".Length..]), ("ETag", "\"of-the-storage\""));
        if (path.StartsWith($"api/{(IsDataset ? "datasets" : "models")}/{Repository}/revision/", StringComparison.Ordinal)) return new(200, System.Text.Encoding.UTF8.GetBytes(Listing().ToJsonString()));
        var start = $"{(IsDataset ? "datasets/" : "")}{Repository}/resolve/";
        if (!path.StartsWith(start, StringComparison.Ordinal)) return FakeReply.Error(404, ("X-Error-Code", "RepoNotFound"));
        var file = path[start.Length..].Split('/', 2)[1];
        if (Small.TryGetValue(file, out var small)) return Bytes(request, small, ("ETag", $"\"{GitHash(small)}\""), ("X-Repo-Commit", Main));
        if (!Large.TryGetValue(file, out var large)) return FakeReply.Error(404, ("X-Error-Code", "EntryNotFound"));
        return FakeReply.Error(302, ("Location", $"{Storage}/storage/{Sha256(large)}"), ("X-Linked-Etag", $"\"{Sha256(large)}\""), ("X-Linked-Size", $"{large.Length}"), ("X-Repo-Commit", Main));
    }

    public JsonObject Listing() => new()
    {
        ["sha"] = Main,
        ["siblings"] = new JsonArray(
        [
            .. Small.Select(file => new JsonObject { ["rfilename"] = file.Key, ["size"] = file.Value.Length, ["blobId"] = GitHash(file.Value) }),
            .. Large.Select(file => new JsonObject
            {
                ["rfilename"] = file.Key,
                ["size"] = file.Value.Length,
                ["blobId"] = GitHash(Pointer(file.Value)),
                ["lfs"] = new JsonObject { ["sha256"] = Sha256(file.Value), ["size"] = file.Value.Length, ["pointerSize"] = Pointer(file.Value).Length },
            }),
        ]),
    };

    public static string Sha256(byte[] bytes) => Convert.ToHexStringLower(SHA256.HashData(bytes));

    /// <summary>SHA-1 as git computes it for a blob.</summary>
    public static string GitHash(byte[] bytes)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA1);
        hash.AppendData(System.Text.Encoding.ASCII.GetBytes($"blob {bytes.Length}\0"));
        hash.AppendData(bytes);
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    private static byte[] Pointer(byte[] bytes) => System.Text.Encoding.ASCII.GetBytes($"version https://git-lfs.github.com/spec/v1\noid sha256:{Sha256(bytes)}\nsize {bytes.Length}\n");

    private static FakeReply Bytes(FakeRequest request, byte[] all, params (string Name, string Value)[] headers)
    {
        if (request.From is not { } from) return new(200, all) { Headers = headers.ToDictionary() };
        if (from >= all.Length) return FakeReply.Error(416);
        return new(206, all[(int)from..]) { Headers = headers.Append(("Content-Range", $"bytes {from}-{all.Length - 1}/{all.Length}")).ToDictionary() };
    }
}
