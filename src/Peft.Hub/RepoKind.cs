namespace Peft.Hub;

/// <summary>Kind of a repository on the hub.</summary>
internal enum RepoKind
{
    Model,
    Dataset,
}
