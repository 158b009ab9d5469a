using System.Buffers;
using System.Text.RegularExpressions;

namespace Peft.Hub;

/// <summary>Validates repository ids, revisions, file names and etags. All of them become parts of paths, and most are untrusted.</summary>
internal static partial class HubNames
{
    public const string DefaultRevision = "main";
    private static readonly SearchValues<char> NotInRevisions = SearchValues.Create(" ~^?*[");

    /// <summary>True if a string has the form of a repository id, <c>name</c> or <c>owner/name</c>.</summary>
    public static bool IsRepository(string id)
        => id.Length <= 96 && Repository().IsMatch(id) && !id.Contains("--", StringComparison.Ordinal) && !id.Contains("..", StringComparison.Ordinal)
            && !id.EndsWith(".git", StringComparison.Ordinal);

    /// <summary>True if a revision is a full commit hash, which never changes.</summary>
    public static bool IsCommit(string revision) => Commit().IsMatch(revision);

    public static void RequireRepository(string id)
    {
        if (!IsRepository(id))
            throw new HubException(HubError.InvalidName, $"'{id}' is not a repository id. Write it as owner/name, as on the hub, with letters, digits, '-', '_' and '.'.");
    }

    public static void RequireRevision(string revision)
    {
        if (!IsInside(revision) || revision.AsSpan().ContainsAny(NotInRevisions))
            throw new HubException(HubError.InvalidName, $"'{revision}' is not a revision. Pass a branch, a tag or a commit hash.");
    }

    public static void RequireFile(string repository, string file)
    {
        if (!IsInside(file))
            throw new HubException(HubError.InvalidName, $"{repository} names a file '{file}', which would be outside its folder. Nothing was written. Do not use this repository, and report it to the hub.");
    }

    /// <summary>Returns the blob name of an etag: without quotes and the prefix of weak etags.</summary>
    public static string? Etag(string? header)
    {
        if (header is null) return null;
        var etag = (header.StartsWith("W/", StringComparison.Ordinal) ? header[2..] : header).Trim('"');
        return PlainName().IsMatch(etag)
            ? etag
            : throw new HubException(HubError.InvalidAnswer, $"The server sent the etag '{header}', which cannot be a file name. Is the endpoint a hub?");
    }

    /// <summary>Escapes a file name for a URL.</summary>
    public static string Escape(string file) => string.Join('/', file.Split('/').Select(Uri.EscapeDataString));

    // On some systems, a component of dots and spaces means "." or "..". On Windows, a colon marks a drive or a stream.
    private static bool IsInside(string path)
        => path.Length is > 0 and <= 1024
            && path.Split('/').All(part => part.Trim(' ', '.').Length > 0)
            && !path.Any(c => c is '\\' || char.IsControl(c))
            && !(OperatingSystem.IsWindows() && path.Contains(':'));

    [GeneratedRegex(@"\A(?:[A-Za-z0-9_](?:[\w.-]*[A-Za-z0-9_])?/)?[A-Za-z0-9_](?:[\w.-]*[A-Za-z0-9_])?\z", RegexOptions.ECMAScript)]
    private static partial Regex Repository();

    [GeneratedRegex(@"\A[0-9a-f]{40}\z")]
    private static partial Regex Commit();

    [GeneratedRegex(@"\A[A-Za-z0-9][A-Za-z0-9._-]{0,199}\z")]
    private static partial Regex PlainName();
}
