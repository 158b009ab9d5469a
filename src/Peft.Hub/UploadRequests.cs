using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Peft.Hub;

/// <summary>The requests of an upload. Each is retried after transient failures, with a new body.</summary>
internal sealed class UploadRequests(HubSettings settings, HubConnection connection, HubSubject subject, CancellationToken cancellationToken)
{
    private const string LfsType = "application/vnd.git-lfs+json";

    /// <summary>Sends JSON to the hub and reads its JSON answer.</summary>
    /// <param name="path">Path below the endpoint.</param>
    /// <param name="body">The body.</param>
    /// <param name="accepted">A status besides 2xx that counts as success.</param>
    /// <param name="lfs">True for the media type of Git LFS.</param>
    public Task<JsonObject> PostAsync(string path, JsonObject body, int accepted = 200, bool lfs = false)
        => JsonAsync(new($"{settings.Base}/{path}"), () => Json(body.ToJsonString(), lfs ? LfsType : "application/json"), accepted, lfs);

    /// <summary>Sends JSON to an address that the hub returned.</summary>
    public Task<JsonObject> PostAsync(Uri address, JsonObject body) => JsonAsync(address, () => Json(body.ToJsonString(), LfsType), 200, true);

    /// <summary>Sends the lines of a commit.</summary>
    public Task<JsonObject> CommitAsync(string path, Func<Stream, Task> write)
        => JsonAsync(new($"{settings.Base}/{path}"), () => new LinesContent(write), 200, false);

    /// <summary>Uploads a range of a file to an address of the storage.</summary>
    /// <returns>The etag of the part.</returns>
    public Task<string?> PutAsync(Uri address, UploadFile file, long from, long length, IReadOnlyDictionary<string, string> headers)
        => SendAsync(address, at =>
        {
            var request = new HttpRequestMessage(HttpMethod.Put, at) { Content = new FilePartContent(file.Path, from, length) };
            foreach (var (name, value) in headers)
                if (!request.Headers.TryAddWithoutValidation(name, value)) request.Content.Headers.TryAddWithoutValidation(name, value);
            return request;
        }, 200, answer => Task.FromResult(answer.Headers.ETag?.Tag));

    private Task<JsonObject> JsonAsync(Uri address, Func<HttpContent> content, int accepted, bool lfs)
        => SendAsync(address, at =>
        {
            var request = new HttpRequestMessage(HttpMethod.Post, at) { Content = content() };
            if (lfs) request.Headers.Accept.Add(new(LfsType));
            return request;
        }, accepted, async answer =>
        {
            var text = await TextAsync(answer).ConfigureAwait(false);
            if (string.IsNullOrWhiteSpace(text) || !answer.IsSuccessStatusCode) return [];
            try
            {
                return JsonNode.Parse(text) as JsonObject ?? [];
            }
            catch (JsonException error)
            {
                throw new HubException(HubError.InvalidAnswer, $"{address.GetLeftPart(UriPartial.Path)} answered with text that is not JSON: {error.Message} Check HF_ENDPOINT.", error);
            }
        });

    private Task<T> SendAsync<T>(Uri address, Func<Uri, HttpRequestMessage> make, int accepted, Func<HttpResponseMessage, Task<T>> read)
        => new Retry(settings, action: "uploaded to").RunAsync(subject, async () =>
        {
            var (response, at) = await FollowAsync(address, make).ConfigureAwait(false);
            using var _ = response;
            return response.IsSuccessStatusCode || (int)response.StatusCode == accepted
                ? await read(response).ConfigureAwait(false)
                : throw await FailureAsync(response, at).ConfigureAwait(false);
        }, cancellationToken);

    // The hub redirects the requests of a renamed repository.
    private async Task<(HttpResponseMessage Response, Uri Address)> FollowAsync(Uri address, Func<Uri, HttpRequestMessage> make)
    {
        for (var hop = 0; ; hop++)
        {
            var response = await connection.WithinAsync((each, written) =>
            {
                var request = make(address);
                if (request.Content is { } body) request.Content = new WatchedContent(body, written);
                return connection.SendOwnAsync(request, each);
            }, cancellationToken).ConfigureAwait(false);
            if (hop == HubConnection.MaxRedirects || response.StatusCode is not (HttpStatusCode.TemporaryRedirect or HttpStatusCode.PermanentRedirect) || response.Headers.Location is not { } target) return (response, address);
            using (response) address = HubConnection.Next(address, target, subject);
        }
    }

    private async Task<Exception> FailureAsync(HttpResponseMessage response, Uri address)
    {
        if (HubFailure.Of(response, subject, settings) is not HubException failure) return HubFailure.Of(response, subject, settings);
        var status = $"{(int)response.StatusCode} ({response.ReasonPhrase})";
        var said = Words(await TextAsync(response).ConfigureAwait(false)) is { Length: > 0 and < 1000 } words ? $" The server says: {words}" : "";
        if (!settings.IsOwn(address))
            return new HubException(HubError.InvalidAnswer, $"The storage of {subject.Repository} answered {status}. Nothing was committed. Try again: finished files are not sent again.{said}", failure);
        var (reason, message) = failure.Reason switch
        {
            HubError.Unauthorized when response.StatusCode == HttpStatusCode.Unauthorized => (failure.Reason, $"{settings.Base} rejected the token. Create a new one with write access at {settings.Base}/settings/tokens, and set HF_TOKEN or HubOptions.Token to it."),
            HubError.Unauthorized or HubError.RepositoryNotFound => (HubError.Unauthorized, $"{settings.Base} does not allow this account to write to {subject.Repository}. Use a token with write access, and check the name of the owner."),
            HubError.RevisionNotFound => (failure.Reason, $"{subject.Repository} has no branch '{subject.Revision}'. Create it at {settings.Base}/{subject.Repository}/tree/main first. Nothing was committed."),
            _ => (failure.Reason, $"The upload to {subject} failed: {status}. Nothing was committed."),
        };
        return new HubException(reason, message + said, failure);
    }

    private Task<string> TextAsync(HttpResponseMessage response) => connection.WithinAsync(each => response.Content.ReadAsStringAsync(each), cancellationToken);

    // The hub writes { "error": "…" }; a proxy writes anything.
    private static string Words(string text)
    {
        try
        {
            return JsonNode.Parse(text) is JsonObject answer && answer["error"] is JsonValue words && words.TryGetValue<string>(out var error) ? error : text;
        }
        catch (JsonException)
        {
            return text;
        }
    }

    private static StringContent Json(string text, string type) => new(text, Encoding.UTF8, new MediaTypeHeaderValue(type));
}
