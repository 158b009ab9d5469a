namespace Peft.Hub;

/// <summary>Type of a repository on the hub.</summary>
internal enum RepoKind
{
    Model,
    Dataset,
}
