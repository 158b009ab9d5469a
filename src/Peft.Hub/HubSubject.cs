namespace Peft.Hub;

/// <summary>The subject of a request, for its URL and for messages.</summary>
internal sealed record HubSubject(RepoKind Kind, string Repository, string Revision, string? File = null)
{
    public string Address(string endpoint) => File is null
        ? $"{endpoint}/api/{(Kind == RepoKind.Model ? "models" : "datasets")}/{Repository}/revision/{Uri.EscapeDataString(Revision)}?blobs=true"
        : $"{endpoint}/{(Kind == RepoKind.Model ? "" : "datasets/")}{Repository}/resolve/{Uri.EscapeDataString(Revision)}/{HubNames.Escape(File)}";

    public override string ToString() => File is null ? $"{Repository} at {Revision}" : $"{File} of {Repository} at {Revision}";
}
