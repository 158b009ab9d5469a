using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Peft.Hosting;

/// <summary>Healthy while requests are accepted, degraded while the queue is full; reports the counts of requests and adapters.</summary>
internal sealed class PeftHealthCheck(ServedModel served) : IHealthCheck
{
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        if (served.IsDisposed) return Task.FromResult(HealthCheckResult.Unhealthy("The host stops."));
        var now = served.Batcher.Statistics;
        var data = new Dictionary<string, object> { ["running"] = now.Running, ["waiting"] = now.Waiting, ["adapters"] = served.Peft.Adapters.Count };
        return Task.FromResult(now.Waiting >= served.Batcher.Options.MaxQueueLength
            ? HealthCheckResult.Degraded($"The queue is full: {now.Waiting} requests wait.", data: data)
            : HealthCheckResult.Healthy(data: data));
    }
}
