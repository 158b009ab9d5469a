using Microsoft.Extensions.Logging;

namespace Peft.Models;

/// <summary>Waits between tries: 1, 2, 4… seconds, or as long as the server asks, until the tries are used up.</summary>
/// <param name="settings">The settings.</param>
/// <param name="isCached">Whether there is something to fall back on: then there is no point in waiting for a hub that does not answer.</param>
internal sealed partial class Retry(HubSettings settings, bool isCached = false)
{
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(30), LongestAsked = TimeSpan.FromMinutes(10);
    private readonly int most = isCached ? 0 : settings.Options.Retries;
    private int failures;

    /// <summary>Something arrived: the connection works, and the count starts anew.</summary>
    public void Reset() => failures = 0;

    /// <summary>Runs until it succeeds.</summary>
    public async Task<T> RunAsync<T>(HubSubject subject, Func<Task<T>> attempt, CancellationToken stop)
    {
        while (true)
        {
            try
            {
                return await attempt().ConfigureAwait(false);
            }
            catch (TransientException failure)
            {
                await WaitAsync(subject, failure, stop).ConfigureAwait(false);
            }
        }
    }

    private async Task WaitAsync(HubSubject subject, TransientException failure, CancellationToken stop)
    {
        var pause = failure.After ?? TimeSpan.FromSeconds(Math.Min(Longest.TotalSeconds, Math.Pow(2, failures)));
        if (failures++ >= most || pause > LongestAsked)
        {
            throw new HubException(HubError.Unreachable,
                $"{subject} could not be had from {settings.Base}: {failure.Message} "
                + (pause > LongestAsked ? $"The server asks to wait {pause}. " : most > 0 ? $"It was tried {failures} times. " : "")
                + "Check the network and HF_ENDPOINT, or try later: what has arrived is kept, and the download goes on from there.", failure);
        }
        if (settings.Options.Logger is { } logger) LogRetry(logger, subject, failure.Message, pause);
        await Task.Delay(pause, settings.Options.TimeProvider, stop).ConfigureAwait(false);
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "{Subject}: {Failure} Next try in {Pause}.")]
    private static partial void LogRetry(ILogger logger, HubSubject subject, string failure, TimeSpan pause);
}
