namespace Peft;

/// <summary>The reason for a failed download or upload.</summary>
public enum HubError
{
    /// <summary>The repository does not exist, or it is private and the token has no access.</summary>
    RepositoryNotFound,

    /// <summary>The license must be accepted on the repository's page first.</summary>
    Gated,

    /// <summary>The token is invalid, or lacks the required permission.</summary>
    Unauthorized,

    /// <summary>The repository has no such branch, tag or commit.</summary>
    RevisionNotFound,

    /// <summary>The revision has no such file.</summary>
    EntryNotFound,

    /// <summary>The downloaded file does not match the hash of the hub.</summary>
    HashMismatch,

    /// <summary>Offline, and the cache does not have the requested files.</summary>
    NotCached,

    /// <summary>The disk is full.</summary>
    NoSpace,

    /// <summary>The cache folder, or a file to upload, could not be read or written.</summary>
    CacheUnusable,

    /// <summary>The server did not answer, or answered only with errors, until the retries were exhausted.</summary>
    Unreachable,

    /// <summary>A repository id, a revision or a file name is invalid, or would lead outside the cache.</summary>
    InvalidName,

    /// <summary>The answer is not that of a hub.</summary>
    InvalidAnswer,

    /// <summary>An option or an environment variable has an invalid value.</summary>
    InvalidSetting,
}
