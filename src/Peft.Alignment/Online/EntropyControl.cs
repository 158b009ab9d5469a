namespace Peft;

/// <summary>The coefficient of the entropy in the loss of <see cref="GrpoObjective"/>, fixed or adapted to a target.</summary>
internal sealed class EntropyControl(GrpoOptions settings)
{
    private readonly Lock guard = new();   // parts of a batch add concurrently
    private double sum, tokens;            // of the current step
    private double last = double.PositiveInfinity;

    /// <summary>The coefficient.</summary>
    public double Coefficient { get; private set; } = settings.EntropyCoefficient;

    /// <summary>The coefficient in the loss of the current step.</summary>
    public double Applied => settings.EntropyTarget is not { } target || last <= target ? Coefficient : 0;

    /// <summary>The coefficient and the mean entropy of the last step.</summary>
    public (double Coefficient, double Last) State
    {
        get => (Coefficient, last);
        set => (Coefficient, last) = value;
    }

    /// <summary>Begins a step, the first one of a run with the coefficient of the settings.</summary>
    public void Begin(int step)
    {
        if (step == 0) State = (settings.EntropyCoefficient, double.PositiveInfinity);
        (sum, tokens) = (0, 0);
    }

    /// <summary>Adds the entropies of a part of a step.</summary>
    public void Add(double entropies, double count)
    {
        lock (guard) (sum, tokens) = (sum + entropies, tokens + count);
    }

    /// <summary>Adapts the coefficient to the mean entropy of a step.</summary>
    public void End()
    {
        if (settings.EntropyTarget is not { } target) return;
        last = sum / Math.Max(1, tokens);
        var (least, most) = settings.EntropyCoefficientRange;
        Coefficient = last <= target ? Math.Min(Coefficient + settings.EntropyCoefficientStep, most) : Math.Max(Coefficient - settings.EntropyCoefficientStep, least);
    }
}
