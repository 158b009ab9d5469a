using System.Text.RegularExpressions;

namespace Peft.Hub;

/// <summary>The options of a client, with defaults from the environment.</summary>
internal sealed partial record HubSettings
{
    private const string DefaultEndpoint = "https://huggingface.co";

    public required Uri Endpoint { get; init; }

    public required string? Token { get; init; }

    public required string CacheFolder { get; init; }

    public required bool Offline { get; init; }

    /// <summary>True if snapshots may contain links to the blobs.</summary>
    public required bool Links { get; init; }

    public required HubOptions Options { get; init; }

    /// <summary>Number of free bytes on the disk of a folder; null if unknown.</summary>
    public Func<string, long?> FreeSpace { get; init; } = Disk.FreeSpace;

    /// <summary>Limits on the hub's answers.</summary>
    public ResourceLimits Limits => Options.Limits ?? ResourceLimits.Default;

    /// <summary>The address without a trailing slash.</summary>
    public string Base => Endpoint.AbsoluteUri.TrimEnd('/');

    /// <summary>Fills in the options that are null.</summary>
    /// <param name="options">The options.</param>
    /// <param name="variable">Reads an environment variable.</param>
    public static HubSettings From(HubOptions options, Func<string, string?> variable)
    {
        string? Set(string name) => variable(name) is { } value && !string.IsNullOrWhiteSpace(value) ? value.Trim() : null;
        string Expand(string path)
        {
            var expanded = Variable().Replace(path, match => variable(match.Groups["name"].Value) ?? match.Value);
            return Path.GetFullPath(expanded == "~" || expanded.StartsWith("~/", StringComparison.Ordinal) ? UserFolder(Set) + expanded[1..] : expanded);
        }
        bool IsOn(string name) => Set(name)?.ToUpperInvariant() is "1" or "ON" or "YES" or "TRUE";

        var home = Expand(Set("HF_HOME") ?? Path.Combine(Set("XDG_CACHE_HOME") ?? "~/.cache", "huggingface"));
        return new()
        {
            Options = options,
            Endpoint = Address(options.Endpoint ?? Set("HF_ENDPOINT") ?? DefaultEndpoint),
            Token = Checked(options.Token ?? (IsOn("HF_HUB_DISABLE_IMPLICIT_TOKEN") ? null : Set("HF_TOKEN") ?? Set("HUGGING_FACE_HUB_TOKEN")
                ?? TokenFile(Expand(Set("HF_TOKEN_PATH") ?? Path.Combine(home, "token"))))),
            CacheFolder = Expand(options.CacheFolder ?? Set("HF_HUB_CACHE") ?? Set("HUGGINGFACE_HUB_CACHE") ?? Path.Combine(home, "hub")),
            Offline = options.Offline ?? (Set("HF_HUB_OFFLINE") is null ? IsOn("TRANSFORMERS_OFFLINE") : IsOn("HF_HUB_OFFLINE")),
            Links = !IsOn("HF_HUB_DISABLE_SYMLINKS"),
        };
    }

    /// <summary>True if the address is on the endpoint's host, the only one that receives the token.</summary>
    public bool IsOwn(Uri address) => (address.Scheme, address.Host, address.Port) == (Endpoint.Scheme, Endpoint.Host, Endpoint.Port);

    private static string UserFolder(Func<string, string?> variable)
        => variable("HOME") ?? Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);

    private static Uri Address(string text)
        => Uri.TryCreate(text, UriKind.Absolute, out var address) && address.Scheme is "https" or "http" && address.Query.Length + address.Fragment.Length + address.UserInfo.Length == 0
            ? address
            : throw new HubException(HubError.InvalidSetting, $"'{text}' is not the address of a hub. Set HubOptions.Endpoint or HF_ENDPOINT to one like {DefaultEndpoint}.");

    private static string? Checked(string? token)
    {
        token = token?.Trim();
        if (string.IsNullOrEmpty(token)) return null;
        return token.All(c => c is > ' ' and < '\u007f')
            ? token
            : throw new HubException(HubError.InvalidSetting, "The token contains spaces or other invalid characters. Copy it again from the hub's settings page.");
    }

    private static string? TokenFile(string path)
    {
        const int MaxBytes = 4096;
        const string Remedy = "Make it a readable file that contains only a token, or set HF_TOKEN.";
        return SmallFile.Exists(path)
            ? StrictJson.Text(SmallFile.Read(path, MaxBytes, "", (message, error) => new HubException(HubError.InvalidSetting, $"The token file cannot be used: {message} {Remedy}", error)))
            : null;
    }

    [GeneratedRegex(@"\$\{?(?<name>\w+)\}?")]
    private static partial Regex Variable();
}
