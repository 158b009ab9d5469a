using Microsoft.Extensions.Logging;

namespace Peft.Hub;

/// <summary>Retries with delays of 1, 2, 4… seconds, or as long as the server asks, until the retries are exhausted.</summary>
/// <param name="settings">The settings.</param>
/// <param name="isCached">True if the cache can be used instead. Requests are then not retried.</param>
/// <param name="action">The action, for messages.</param>
internal sealed partial class Retry(HubSettings settings, bool isCached = false, string action = "downloaded from")
{
    private static readonly TimeSpan MaxDelay = TimeSpan.FromSeconds(30), MaxRequestedDelay = TimeSpan.FromMinutes(10);
    private readonly int maxRetries = isCached ? 0 : settings.Options.Retries;
    private int failures;

    /// <summary>Restarts the count after data has arrived, since the connection works.</summary>
    public void Reset() => failures = 0;

    /// <summary>Retries until the attempt succeeds.</summary>
    public async Task<T> RunAsync<T>(HubSubject subject, Func<Task<T>> attempt, CancellationToken cancellationToken)
    {
        while (true)
        {
            try
            {
                return await attempt().ConfigureAwait(false);
            }
            catch (TransientException failure)
            {
                await WaitAsync(subject, failure, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    private async Task WaitAsync(HubSubject subject, TransientException failure, CancellationToken cancellationToken)
    {
        var pause = failure.After ?? TimeSpan.FromSeconds(Math.Min(MaxDelay.TotalSeconds, Math.Pow(2, failures)));
        if (failures++ >= maxRetries || pause > MaxRequestedDelay)
        {
            throw new HubException(HubError.Unreachable,
                $"{subject} could not be {action} {settings.Base}: {failure.Message} "
                + (pause > MaxRequestedDelay ? $"The server requests a delay of {pause}. " : maxRetries > 0 ? $"It was tried {failures} times. " : "")
                + "Check the network and HF_ENDPOINT, or try later: transferred data is kept.", failure);
        }
        if (settings.Options.Logger is { } logger) LogRetry(logger, subject, failure.Message, pause);
        await Task.Delay(pause, settings.Options.TimeProvider, cancellationToken).ConfigureAwait(false);
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Subject}: {Failure} Retrying in {Pause}.")]
    private static partial void LogRetry(ILogger logger, HubSubject subject, string failure, TimeSpan pause);
}
