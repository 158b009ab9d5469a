using System.ComponentModel;

namespace Peft;

/// <summary>
/// Restarts of LoRA during training, as in ReLoRA (Lialin et al. 2023, arXiv:2307.05695): every few steps, the update is merged into the base weights and initialized again, so that the sum of
/// all updates has a higher rank than each of them.
/// </summary>
[TypeConverter(typeof(TextConverter<RestartOptions>))]
public sealed record RestartOptions
{
    /// <summary>Number of steps between restarts. 1000 by default.</summary>
    public int Every { get; init; } = 1000;

    /// <summary>Number of steps after each restart over which the learning rate rises from 0 to that of the schedule. 50 by default.</summary>
    public int WarmupSteps { get; init; } = 50;

    /// <summary>Fraction of each tensor's moments, those of smallest magnitude, that a restart sets to 0, in [0, 1]. 0.99 by default.</summary>
    public double PrunedMoments { get; init; } = 0.99;

    internal IEnumerable<string> Errors()
    {
        const string own = nameof(TrainingOptions.Restarts);
        if (Every < 1) yield return $"{own}.{nameof(Every)} must be at least 1, but was {Every}.";
        if (WarmupSteps < 0) yield return $"{own}.{nameof(WarmupSteps)} must be at least 0, but was {WarmupSteps}.";
        if (Every >= 1 && WarmupSteps >= Every) yield return $"{own}.{nameof(WarmupSteps)} is {WarmupSteps}, but must be below {nameof(Every)} ({Every}): otherwise, the learning rate never reaches that of the schedule.";
        if (!(PrunedMoments is >= 0 and <= 1)) yield return $"{own}.{nameof(PrunedMoments)} must be in [0, 1], but was {PrunedMoments}.";
    }

    /// <summary>Returns the factor of the learning rate after a number of steps.</summary>
    internal double Factor(int step) => step >= Every && step % Every < WarmupSteps ? (double)(step % Every) / WarmupSteps : 1;

    /// <summary>True if a restart follows a step. The last step is not followed by one.</summary>
    internal bool IsDue(int step, int totalSteps) => step % Every == 0 && step < totalSteps;
}
