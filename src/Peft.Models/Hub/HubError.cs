namespace Peft.Models;

/// <summary>Why a download failed.</summary>
public enum HubError
{
    /// <summary>There is no such repository, or it is private and the token may not see it.</summary>
    RepositoryNotFound,

    /// <summary>The licence must be accepted on the repository's page first.</summary>
    Gated,

    /// <summary>The token is not valid, or may not do this.</summary>
    Unauthorized,

    /// <summary>The repository has no such branch, tag or commit.</summary>
    RevisionNotFound,

    /// <summary>The revision has no such file.</summary>
    EntryNotFound,

    /// <summary>What arrived is not what the hub promised.</summary>
    HashMismatch,

    /// <summary>Offline, and the cache does not hold what was asked for.</summary>
    NotCached,

    /// <summary>The disk is full.</summary>
    NoSpace,

    /// <summary>The cache folder could not be read or written.</summary>
    CacheUnusable,

    /// <summary>The server gave no answer, or only failures, until all retries were used up.</summary>
    Unreachable,

    /// <summary>A repository id, a revision or a file's name is not valid, or would lead out of the cache.</summary>
    InvalidName,

    /// <summary>The server's answer is not the hub's.</summary>
    InvalidAnswer,

    /// <summary>An option or an environment variable has a value that makes no sense.</summary>
    InvalidSetting,
}
