using System.Globalization;
using System.Net;
using System.Text.RegularExpressions;

namespace Peft.Hub;

/// <summary>Converts a failed response to an exception that says what to do.</summary>
internal static partial class HubFailure
{
    public static Exception Of(HttpResponseMessage response, HubSubject subject, HubSettings settings)
    {
        string? Header(string name) => response.Headers.TryGetValues(name, out var values) ? values.First() : null;
        var status = (int)response.StatusCode;
        if (status is 408 or 429 or >= 500) return new TransientException($"the server answered {status} ({response.ReasonPhrase}).", AfterOf(response, settings.Options.TimeProvider));

        var page = $"{settings.Base}/{(subject.Kind == RepoKind.Model ? "" : "datasets/")}{subject.Repository}";
        var token = settings.Token is null ? "No token was sent: set HF_TOKEN or HubOptions.Token." : "Check that the account of the token has access.";
        var said = Header("X-Error-Message") is { Length: > 0 } text ? $" The server says: {text}" : "";
        return (Header("X-Error-Code"), response.StatusCode) switch
        {
            ("GatedRepo", _) => Error(HubError.Gated, $"{subject.Repository} is gated: accept its license at {page} with your account, and use a token of that account. {token}"),
            ("RevisionNotFound", _) => Error(HubError.RevisionNotFound, $"{subject.Repository} has no revision '{subject.Revision}'. Its branches and tags are listed at {page}/tree/main."),
            ("EntryNotFound", _) => Error(HubError.EntryNotFound, $"{subject.Repository} has no file '{subject.File}' at revision '{subject.Revision}'. Its files are listed at {page}/tree/main."),
            ("RepoNotFound", _) => NoRepository(),
            (_, HttpStatusCode.Unauthorized) when settings.Token is null => NoRepository(),
            (_, HttpStatusCode.Unauthorized) => Error(HubError.Unauthorized, $"{settings.Base} rejected the token for {subject.Repository}. Create a new one at {settings.Base}/settings/tokens, and set HF_TOKEN or HubOptions.Token to it."),
            (_, HttpStatusCode.Forbidden) => Error(HubError.Unauthorized, $"{settings.Base} does not allow access to {subject}. {token}"),
            (_, HttpStatusCode.NotFound) when subject.File is null => NoRepository(),
            (_, HttpStatusCode.NotFound) => Error(HubError.EntryNotFound, $"{subject.Repository} has no file '{subject.File}' at revision '{subject.Revision}'."),
            _ => Error(HubError.InvalidAnswer, $"{settings.Base} answered {status} ({response.ReasonPhrase}) for {subject}. Check HF_ENDPOINT, and check that no proxy answers in its place."),
        };

        HubException NoRepository() => Error(HubError.RepositoryNotFound, $"There is no repository '{subject.Repository}' at {settings.Base}, or it is private and needs a token. Check the spelling. {token}");
        HubException Error(HubError reason, string message) => new(reason, message + said);
    }

    private static TimeSpan? AfterOf(HttpResponseMessage response, TimeProvider time)
    {
        var after = response.Headers.RetryAfter;
        if ((after?.Delta ?? (after?.Date - time.GetUtcNow())) is { } pause) return pause > TimeSpan.Zero ? pause : TimeSpan.Zero;
        // The hub's own format: ratelimit: "api";r=0;t=55, where t is in seconds.
        return response.StatusCode == HttpStatusCode.TooManyRequests && response.Headers.TryGetValues("RateLimit", out var limits)
            && UntilReset().Match(string.Join(';', limits)) is { Success: true } match
                ? TimeSpan.FromSeconds(int.Parse(match.Groups[1].ValueSpan, CultureInfo.InvariantCulture))
                : null;
    }

    [GeneratedRegex(@"\bt\s*=\s*([0-9]{1,6})\b")]
    private static partial Regex UntilReset();
}
