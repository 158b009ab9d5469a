using System.Net;

namespace Peft.Hub;

/// <summary>A response with the hub's metadata of the file. A redirect to the storage has it in its headers; the storage's response does not.</summary>
internal sealed class HubAnswer(HttpResponseMessage response, FileFacts facts) : IDisposable
{
    public HttpStatusCode Status => response.StatusCode;

    public HttpContent Content => response.Content;

    public FileFacts Facts => facts;

    public void Dispose() => response.Dispose();
}
