namespace Peft;

/// <summary>Ends a run when the policy has moved too far from its reference: when the metric <c>kl</c> of a step exceeds a bound.</summary>
/// <param name="bound">The bound, in nats per token with GRPO and RLOO.</param>
/// <param name="metric">Name of the metric; PPO has <c>objective/kl</c>.</param>
public sealed class KlStop(double bound, string metric = "kl") : ITrainerCallback
{
    private readonly double bound = bound > 0 ? bound : throw new ArgumentOutOfRangeException(nameof(bound), bound, "The bound must be above 0.");
    private readonly string metric = metric ?? throw new ArgumentNullException(nameof(metric));

    /// <inheritdoc/>
    public void OnStepEnd(TrainingProgress progress, TrainerControl control)
    {
        ArgumentNullException.ThrowIfNull(progress);
        ArgumentNullException.ThrowIfNull(control);
        if (progress.Metrics.TryGetValue(metric, out var kl) && kl > bound) control.Stop();
    }
}
