using System.Net.Http.Headers;
using System.Net;
using System.Reflection;

namespace Peft.Hub;

/// <summary>Sends single requests: follows redirects, sends the token only to the endpoint's host, detects an inactive server, and classifies failures.</summary>
internal sealed class HubConnection : IDisposable
{
    /// <summary>Maximum number of redirects of a request.</summary>
    public const int MaxRedirects = 10;

    private static readonly ProductInfoHeaderValue Agent = new("Peft", typeof(HubConnection).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0] ?? "0");
    private readonly HubSettings settings;
    private readonly HttpClient http;

    public HubConnection(HubSettings settings)
    {
        this.settings = settings;
        if (settings.Options.Handler is SocketsHttpHandler { AllowAutoRedirect: true } or HttpClientHandler { AllowAutoRedirect: true })
            throw new HubException(HubError.InvalidSetting, "HubOptions.Handler follows redirects, which would hide the hub's metadata in their headers. Set its AllowAutoRedirect to false.");
        http = new(settings.Options.Handler ?? new SocketsHttpHandler { AllowAutoRedirect = false, PooledConnectionLifetime = TimeSpan.FromMinutes(5) }, disposeHandler: settings.Options.Handler is null)
        {
            Timeout = Timeout.InfiniteTimeSpan,   // WithinAsync ends requests by inactivity, not by duration
        };
    }

    public void Dispose() => http.Dispose();

    /// <summary>Requests the hub's list of the repository's files.</summary>
    public async Task<RepoListing> ListAsync(HubSubject subject, CancellationToken cancellationToken)
    {
        using var answer = await SendAsync(HttpMethod.Get, subject, null, cancellationToken).ConfigureAwait(false);
        return RepoListing.Parse(subject.Repository, await ReadAsync(answer.Content, subject, cancellationToken).ConfigureAwait(false));
    }

    /// <summary>Requests the hub's metadata of a file, without its content.</summary>
    public async Task<FileFacts> AskAsync(HubSubject subject, CancellationToken cancellationToken)
    {
        using var answer = await SendAsync(HttpMethod.Head, subject, null, cancellationToken).ConfigureAwait(false);
        return answer.Facts;
    }

    /// <summary>Requests the file from a position on. The server may send all of it, or answer that the range is not satisfiable (416).</summary>
    public Task<HubAnswer> GetAsync(HubSubject subject, long from, CancellationToken cancellationToken)
        => SendAsync(HttpMethod.Get, subject, from > 0 ? new RangeHeaderValue(from, null) : null, cancellationToken);

    /// <summary>Runs a network operation with a timeout for inactivity.</summary>
    /// <exception cref="TransientException">The connection was lost, or the timeout expired.</exception>
    public Task<T> WithinAsync<T>(Func<CancellationToken, Task<T>> work, CancellationToken cancellationToken) => WithinAsync((each, _) => work(each), cancellationToken);

    /// <summary>Runs a network operation with a timeout for inactivity, which begins again whenever the operation calls the action that it gets.</summary>
    /// <exception cref="TransientException">The connection was lost, or the timeout expired.</exception>
    public async Task<T> WithinAsync<T>(Func<CancellationToken, Action, Task<T>> work, CancellationToken cancellationToken)
    {
        using var silence = new CancellationTokenSource(settings.Options.Timeout, settings.Options.TimeProvider);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, silence.Token);
        try
        {
            return await work(either.Token, Restart).ConfigureAwait(false);
        }
        catch (OperationCanceledException error) when (!cancellationToken.IsCancellationRequested)
        {
            throw new TransientException($"the server did not respond for {settings.Options.Timeout}.", null, error);
        }
        catch (HttpRequestException error) when (error.HttpRequestError is HttpRequestError.NameResolutionError or HttpRequestError.SecureConnectionError)
        {
            throw new HubException(HubError.Unreachable, $"{settings.Base} cannot be reached ({error.InnerException?.Message ?? error.Message}). Check the network and HF_ENDPOINT; HF_HUB_OFFLINE=1 uses only the cache.", error);
        }
        catch (Exception error) when (error is HttpRequestException or IOException)
        {
            throw new TransientException($"the connection failed ({error.Message}).", null, error);
        }

        void Restart()
        {
            try
            {
                silence.CancelAfter(settings.Options.Timeout);
            }
            catch (ObjectDisposedException)
            {
                // The server has answered before it has read everything.
            }
        }
    }

    // In chunks: an endless answer must not fill memory, and a slow one is not inactive.
    private async Task<byte[]> ReadAsync(HttpContent content, HubSubject subject, CancellationToken cancellationToken)
    {
        var maxBytes = Math.Min(settings.Limits.MaxListingBytes, Array.MaxLength);
        using var all = new MemoryStream();
        var stream = await WithinAsync(each => content.ReadAsStreamAsync(each), cancellationToken).ConfigureAwait(false);
        await using var _ = stream.ConfigureAwait(false);
        var buffer = new byte[1 << 16];
        for (var count = 1; count > 0;)
        {
            count = await WithinAsync(each => stream.ReadAsync(buffer, each).AsTask(), cancellationToken).ConfigureAwait(false);
            if (all.Length + count > maxBytes || content.Headers.ContentLength > maxBytes)
                throw new HubException(HubError.InvalidAnswer, $"The list of files of {subject} has more than {maxBytes:N0} bytes. {settings.Limits.Remedy(nameof(ResourceLimits.MaxListingBytes), $"{nameof(HubOptions)}.{nameof(HubOptions.Limits)} or {nameof(PretrainedOptions)}.{nameof(PretrainedOptions.Limits)}")}");
            all.Write(buffer, 0, count);
        }
        return all.ToArray();
    }

    private async Task<HubAnswer> SendAsync(HttpMethod method, HubSubject subject, RangeHeaderValue? range, CancellationToken cancellationToken)
    {
        var address = new Uri(subject.Address(settings.Base));
        var facts = FileFacts.None;
        for (var hop = 0; hop <= MaxRedirects; hop++)
        {
            var response = await WithinAsync(each => SendOnceAsync(method, address, range, each), cancellationToken).ConfigureAwait(false);
            try
            {
                var target = response.StatusCode is HttpStatusCode.MovedPermanently or HttpStatusCode.Found or HttpStatusCode.SeeOther or HttpStatusCode.TemporaryRedirect or HttpStatusCode.PermanentRedirect
                    ? response.Headers.Location : null;
                if (target is null && !response.IsSuccessStatusCode && !(range is not null && response.StatusCode == HttpStatusCode.RequestedRangeNotSatisfiable))
                    throw HubFailure.Of(response, subject, settings);
                facts = facts.With(response, isLast: target is null);
                // HEAD requests do not follow the redirect to the storage, whose addresses expire.
                if (target is null || (method == HttpMethod.Head && facts.Etag is not null)) return new(response, facts);
                address = Next(address, target, subject);
            }
            catch
            {
                response.Dispose();
                throw;
            }
            response.Dispose();
        }
        throw new HubException(HubError.InvalidAnswer, $"{subject}: {settings.Base} redirects in a loop. Check HF_ENDPOINT.");
    }

    /// <summary>Sends a request of an upload. The token is sent only to the endpoint's host.</summary>
    public Task<HttpResponseMessage> SendOwnAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        request.Headers.UserAgent.Add(Agent);
        if (settings.Token is { } token && settings.IsOwn(request.RequestUri!) && request.Headers.Authorization is null) request.Headers.Authorization = new("Bearer", token);
        return http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
    }

    private Task<HttpResponseMessage> SendOnceAsync(HttpMethod method, Uri address, RangeHeaderValue? range, CancellationToken cancellationToken)
    {
        var request = new HttpRequestMessage(method, address);
        request.Headers.UserAgent.Add(Agent);
        request.Headers.AcceptEncoding.Add(new("identity"));   // so that sizes and ranges are those of the file
        request.Headers.Range = range;
        if (settings.Token is { } token && settings.IsOwn(address)) request.Headers.Authorization = new("Bearer", token);
        return http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
    }

    /// <summary>Resolves the target of a redirect.</summary>
    /// <exception cref="HubException">It leads from a secure address to one that is not.</exception>
    public static Uri Next(Uri from, Uri target, HubSubject subject)
    {
        var next = new Uri(from, target);
        return next.Scheme == "https" || (next.Scheme == "http" && from.Scheme == "http")
            ? next
            : throw new HubException(HubError.InvalidAnswer, $"{subject}: {from.Host} redirects to {next.GetLeftPart(UriPartial.Authority)}, which is not secure. Check HF_ENDPOINT.");
    }
}
