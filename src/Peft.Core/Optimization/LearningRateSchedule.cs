using System.ComponentModel;

namespace Peft;

/// <summary>
/// Learning rate schedules, equal to the <c>get_*_schedule</c> functions of Hugging Face transformers. A schedule gives a factor of the learning rate at each step.
/// Over the warmup steps, the factor rises linearly from 0 (warmup-stable-decay: from its minimum) to 1.
/// </summary>
[TypeConverter(typeof(ScheduleText))]
public abstract record LearningRateSchedule
{
    private protected LearningRateSchedule() { }

    /// <summary>Constant at 1 after the warmup.</summary>
    public static LearningRateSchedule Constant { get; } = new ConstantSchedule();

    /// <summary>Decays linearly to 0 at the last step. The trainer's default.</summary>
    public static LearningRateSchedule Linear { get; } = new LinearSchedule();

    /// <summary>Decays from 1 to 0 along half a cosine wave.</summary>
    /// <param name="cycles">Number of full cosine waves; 0.5 decays to 0 once.</param>
    public static LearningRateSchedule Cosine(double cycles = 0.5) => new CosineSchedule(cycles);

    /// <summary>Decays from 1 to 0 along half a cosine wave, several times, with restarts at 1 (SGDR, Loshchilov and Hutter 2016, arXiv:1608.03983).</summary>
    /// <param name="cycles">Number of half waves, at least 1.</param>
    public static LearningRateSchedule CosineWithRestarts(int cycles = 1) => new CosineRestartSchedule(cycles);

    /// <summary>Decays to an end value along a power of the remaining fraction of the run.</summary>
    /// <param name="power">Exponent; 1 is linear.</param>
    /// <param name="endFactor">Factor at the last step: the ratio of the final to the initial learning rate, below 1.</param>
    public static LearningRateSchedule Polynomial(double power = 1, double endFactor = 1e-3) => new PolynomialSchedule(power, endFactor);

    /// <summary>Decays with the inverse square root of the step.</summary>
    /// <param name="timeScale">Time scale in steps; if null, the number of warmup steps, or 10,000 without warmup.</param>
    public static LearningRateSchedule InverseSquareRoot(int? timeScale = null) => new InverseSquareRootSchedule(timeScale);

    /// <summary>Warmup, stable, decay (Hu et al. 2024, arXiv:2404.06395): constant at 1 until the decay, which is half a cosine wave to the minimum.</summary>
    /// <param name="decaySteps">Number of decay steps at the end of the run. At least 1.</param>
    /// <param name="minimumFactor">Factor at the end of the decay, in [0, 1].</param>
    public static LearningRateSchedule WarmupStableDecay(int decaySteps, double minimumFactor = 0) => new WarmupStableDecaySchedule(decaySteps, minimumFactor);

    /// <summary>
    /// Parses a schedule from settings text: a name, optionally with named arguments, such as <c>linear</c>, <c>cosine(cycles: 0.5)</c> or
    /// <c>polynomial(power: 2, end_factor: 0.1)</c>.
    /// </summary>
    /// <param name="text">The text, with the names in this class or in transformers (<c>cosine_with_restarts(num_cycles: 2)</c>).</param>
    /// <exception cref="FormatException">The text is not a schedule. The message lists the valid schedules.</exception>
    public static LearningRateSchedule Parse(string text) => ScheduleText.Parse(text);

    /// <summary>Returns the factor of the learning rate at a step.</summary>
    /// <param name="step">Number of completed steps: 0 at the first step.</param>
    /// <param name="warmupSteps">Number of warmup steps.</param>
    /// <param name="totalSteps">Total number of steps of the run, including the warmup.</param>
    public double Factor(int step, int warmupSteps, int totalSteps)
        => step < warmupSteps ? Warmup((double)step / warmupSteps) : AfterWarmup(step, warmupSteps, totalSteps);

    private protected virtual double Warmup(double progress) => progress;

    private protected abstract double AfterWarmup(int step, int warmup, int total);

    /// <summary>Errors of the settings.</summary>
    internal virtual IEnumerable<string> Errors() => [];

    // The completed fraction of the run after the warmup.
    private static double Progress(int step, int warmup, int total) => (double)(step - warmup) / Math.Max(1, total - warmup);

    private static double HalfWave(double phase) => Math.Max(0, 0.5 * (1 + Math.Cos(Math.PI * phase)));

    private sealed record ConstantSchedule : LearningRateSchedule
    {
        private protected override double AfterWarmup(int step, int warmup, int total) => 1;
    }

    private sealed record LinearSchedule : LearningRateSchedule
    {
        private protected override double AfterWarmup(int step, int warmup, int total) => Math.Max(0, (double)(total - step) / Math.Max(1, total - warmup));
    }

    private sealed record CosineSchedule(double Cycles) : LearningRateSchedule
    {
        private protected override double AfterWarmup(int step, int warmup, int total) => HalfWave(Cycles * 2 * Progress(step, warmup, total));

        internal override IEnumerable<string> Errors()
        {
            if (!(Cycles > 0)) yield return $"The cycles of the cosine schedule must be above 0, but were {Cycles}.";
        }
    }

    private sealed record CosineRestartSchedule(int Cycles) : LearningRateSchedule
    {
        private protected override double AfterWarmup(int step, int warmup, int total)
        {
            var progress = Progress(step, warmup, total);
            return progress >= 1 ? 0 : HalfWave(Cycles * progress % 1);
        }

        internal override IEnumerable<string> Errors()
        {
            if (Cycles < 1) yield return $"The cycles of the cosine schedule with restarts must be at least 1, but were {Cycles}.";
        }
    }

    private sealed record PolynomialSchedule(double Power, double EndFactor) : LearningRateSchedule
    {
        private protected override double AfterWarmup(int step, int warmup, int total)
            => step > total ? EndFactor : (1 - EndFactor) * Math.Pow(1 - Progress(step, warmup, total), Power) + EndFactor;

        internal override IEnumerable<string> Errors()
        {
            if (!(Power > 0)) yield return $"The power of the polynomial schedule must be above 0, but was {Power}.";
            if (!(EndFactor is >= 0 and < 1)) yield return $"The end factor of the polynomial schedule must be at least 0 and below 1, but was {EndFactor}.";
        }
    }

    private sealed record InverseSquareRootSchedule(int? TimeScale) : LearningRateSchedule
    {
        private protected override double AfterWarmup(int step, int warmup, int total)
        {
            var scale = TimeScale ?? (warmup > 0 ? warmup : 10_000);
            return 1 / Math.Sqrt((double)(step + scale - warmup) / scale);
        }

        internal override IEnumerable<string> Errors()
        {
            if (TimeScale < 1) yield return $"The time scale of the inverse square root schedule must be at least 1, but was {TimeScale}.";
        }
    }

    private sealed record WarmupStableDecaySchedule(int DecaySteps, double MinimumFactor) : LearningRateSchedule
    {
        private protected override double Warmup(double progress) => MinimumFactor + (1 - MinimumFactor) * progress;

        private protected override double AfterWarmup(int step, int warmup, int total)
        {
            var decayStart = Math.Max(warmup, total - DecaySteps);
            if (step < decayStart) return 1;
            if (step >= decayStart + DecaySteps) return MinimumFactor;
            return MinimumFactor + (1 - MinimumFactor) * HalfWave((double)(step - decayStart) / DecaySteps);
        }

        internal override IEnumerable<string> Errors()
        {
            if (DecaySteps < 1) yield return $"The decay steps of the warmup-stable-decay schedule must be at least 1, but were {DecaySteps}.";
            if (!(MinimumFactor is >= 0 and <= 1)) yield return $"The minimum factor of the warmup-stable-decay schedule must be in [0, 1], but was {MinimumFactor}.";
        }
    }
}
