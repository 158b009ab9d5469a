using System.ComponentModel;
using Microsoft.Extensions.Logging;

namespace Peft.Models;

/// <summary>How to reach the hub, and where to keep what comes from it. What is left out comes from the environment, as in Hugging Face's own client.</summary>
[TypeConverter(typeof(TextConverter<HubOptions>))]
public sealed record HubOptions
{
    /// <summary>Address of the hub or of a mirror. Otherwise <c>HF_ENDPOINT</c>, or <c>https://huggingface.co</c>.</summary>
    public string? Endpoint { get; init; }

    /// <summary>
    /// Access token for private and gated repositories; empty for none. Otherwise <c>HF_TOKEN</c>, or the file of <c>HF_TOKEN_PATH</c>, or <c>token</c>
    /// in <c>HF_HOME</c>. It is sent to the host of the endpoint only, never to the storage that a download is redirected to.
    /// </summary>
    public string? Token { get; init; }

    /// <summary>The cache, shared with Python. Otherwise <c>HF_HUB_CACHE</c>, <c>hub</c> in <c>HF_HOME</c>, or <c>huggingface/hub</c> in <c>XDG_CACHE_HOME</c> (<c>~/.cache</c>).</summary>
    public string? CacheFolder { get; init; }

    /// <summary>Whether only the cache is used and nothing is sent. Otherwise <c>HF_HUB_OFFLINE</c>.</summary>
    public bool? Offline { get; init; }

    /// <summary>How often a request is repeated after a failure that may pass; each byte that arrives starts the count anew.</summary>
    public int Retries { get; init; } = 5;

    /// <summary>How long the server may be silent before the connection counts as cut.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How many files are fetched at a time.</summary>
    public int Parallelism { get; init; } = 4;

    /// <summary>Told how far the download is, one call at a time.</summary>
    public IProgress<HubProgress>? Progress { get; init; }

    /// <summary>Sends the requests, for instance through a proxy of your own; it must not follow redirects by itself, and is not disposed.</summary>
    public HttpMessageHandler? Handler { get; init; }

    /// <summary>The clock that waiting goes by.</summary>
    public TimeProvider TimeProvider { get; init; } = TimeProvider.System;

    /// <summary>Told about retries, and about cached files that are used because the hub cannot be reached.</summary>
    public ILogger? Logger { get; init; }

    /// <summary>What the hub's answers may cost; <see cref="ResourceLimits.Default"/> if null.</summary>
    public ResourceLimits? Limits { get; init; }

    /// <summary>The settings that may be shown: not the token.</summary>
    public override string ToString() => $"HubOptions {{ Endpoint = {Endpoint}, Token = {(string.IsNullOrEmpty(Token) ? "" : "***")}, CacheFolder = {CacheFolder}, Offline = {Offline} }}";
}
