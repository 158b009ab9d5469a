using System.ComponentModel;
using Microsoft.Extensions.Logging;

namespace Peft;

/// <summary>Options for accessing the hub and its cache. Null values are taken from the environment, as in Hugging Face's client.</summary>
[TypeConverter(typeof(TextConverter<HubOptions>))]
public sealed record HubOptions
{
    /// <summary>URL of the hub or of a mirror. Defaults to <c>HF_ENDPOINT</c>, or else <c>https://huggingface.co</c>.</summary>
    public string? Endpoint { get; init; }

    /// <summary>
    /// Access token for private and gated repositories; empty for none. Defaults to <c>HF_TOKEN</c>, or else the file <c>HF_TOKEN_PATH</c>, or else <c>token</c>
    /// in <c>HF_HOME</c>. It is sent only to the host of the endpoint, never to the storage to which a download is redirected.
    /// </summary>
    public string? Token { get; init; }

    /// <summary>
    /// The cache folder, shared with Python. Defaults to <c>HF_HUB_CACHE</c>, or else <c>hub</c> in <c>HF_HOME</c>, or else <c>huggingface/hub</c> in
    /// <c>XDG_CACHE_HOME</c> (<c>~/.cache</c>).
    /// </summary>
    public string? CacheFolder { get; init; }

    /// <summary>True to use only the cache and send no requests. Defaults to <c>HF_HUB_OFFLINE</c>.</summary>
    public bool? Offline { get; init; }

    /// <summary>Maximum number of retries after a transient failure. The count restarts whenever data arrives.</summary>
    public int Retries { get; init; } = 5;

    /// <summary>Maximum inactivity of the server before the connection is considered lost.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Number of files that are downloaded in parallel.</summary>
    public int Parallelism { get; init; } = 4;

    /// <summary>Receives the progress of downloads and uploads. Calls are not concurrent.</summary>
    public IProgress<HubProgress>? Progress { get; init; }

    /// <summary>The handler that sends the requests, for example through a proxy. It must not follow redirects. The client does not dispose it.</summary>
    public HttpMessageHandler? Handler { get; init; }

    /// <summary>The clock for delays and timeouts.</summary>
    public TimeProvider TimeProvider { get; init; } = TimeProvider.System;

    /// <summary>Logs retries, and cached files that are used because the hub cannot be reached.</summary>
    public ILogger? Logger { get; init; }

    /// <summary>Limits on the hub's answers; null for <see cref="ResourceLimits.Default"/>.</summary>
    public ResourceLimits? Limits { get; init; }

    /// <summary>Formats the settings without the secret token.</summary>
    public override string ToString() => $"HubOptions {{ Endpoint = {Endpoint}, Token = {(string.IsNullOrEmpty(Token) ? "" : "***")}, CacheFolder = {CacheFolder}, Offline = {Offline} }}";
}
