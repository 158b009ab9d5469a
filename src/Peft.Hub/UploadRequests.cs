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
    public async Task<string?> PutAsync(Uri address, UploadFile file, long from, long length, IReadOnlyDictionary<string, string> headers)
    {
        using var answer = await SendAsync(() =>
        {
            var request = new HttpRequestMessage(HttpMethod.Put, address) { Content = new FilePartContent(file.Path, from, length) };
            foreach (var (name, value) in headers)
                if (!request.Headers.TryAddWithoutValidation(name, value)) request.Content.Headers.TryAddWithoutValidation(name, value);
            return request;
        }, 200).ConfigureAwait(false);
        return answer.Headers.ETag?.Tag;
    }

    private async Task<JsonObject> JsonAsync(Uri address, Func<HttpContent> content, int accepted, bool lfs)
    {
        using var answer = await SendAsync(() =>
        {
            var request = new HttpRequestMessage(HttpMethod.Post, address) { Content = content() };
            if (lfs) request.Headers.Accept.Add(new(LfsType));
            return request;
        }, accepted).ConfigureAwait(false);
        var text = await connection.WithinAsync(each => answer.Content.ReadAsStringAsync(each), cancellationToken).ConfigureAwait(false);
        if (string.IsNullOrWhiteSpace(text) || !answer.IsSuccessStatusCode) return [];
        try
        {
            return JsonNode.Parse(text) as JsonObject ?? [];
        }
        catch (JsonException error)
        {
            throw new HubException(HubError.InvalidAnswer, $"{address.GetLeftPart(UriPartial.Path)} answered with text that is not JSON: {error.Message} Check HF_ENDPOINT.", error);
        }
    }

    private Task<HttpResponseMessage> SendAsync(Func<HttpRequestMessage> make, int accepted)
        => new Retry(settings, action: "uploaded to").RunAsync(subject, async () =>
        {
            var response = await connection.WithinAsync((each, written) =>
            {
                var request = make();
                if (request.Content is { } body) request.Content = new WatchedContent(body, written);
                return connection.SendOwnAsync(request, each);
            }, cancellationToken).ConfigureAwait(false);
            if (response.IsSuccessStatusCode || (int)response.StatusCode == accepted) return response;
            using (response) throw await FailureAsync(response).ConfigureAwait(false);
        }, cancellationToken);

    private async Task<Exception> FailureAsync(HttpResponseMessage response)
    {
        if (HubFailure.Of(response, subject, settings) is not HubException failure) return HubFailure.Of(response, subject, settings);
        var text = await connection.WithinAsync(each => response.Content.ReadAsStringAsync(each), cancellationToken).ConfigureAwait(false);
        var denied = failure.Reason is HubError.RepositoryNotFound or HubError.Unauthorized;
        return new HubException(denied ? HubError.Unauthorized : failure.Reason,
            denied ? $"{settings.Base} does not allow this account to write to {subject.Repository}. {(settings.Token is null ? "No token was sent: set HF_TOKEN or HubOptions.Token." : "Use a token with write access, and check the name of the owner.")}"
                : $"The upload to {subject} failed: {(int)response.StatusCode} ({response.ReasonPhrase}){(text.Length is > 0 and < 1000 ? $". The server says: {text}" : "")}. Nothing was committed.", failure);
    }

    private static StringContent Json(string text, string type) => new(text, Encoding.UTF8, new MediaTypeHeaderValue(type));
}
