namespace Peft.Lora;

/// <summary>
/// AdaMSS's adaptive subspace allocation: between two given steps, the number of trainable subspaces decreases to the target. The least important subspaces
/// across all layers are frozen first and stay frozen, with the values that they have.
/// </summary>
internal sealed class AdamssBudget(AdamssOptions options, IReadOnlyList<AdamssLayer> layers) : SharedTensors(layers[0].Target.ComputeType, layers[0].Target.Device), ITrainingSchedule
{
    public void AfterStep(int step, int totalSteps)
    {
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        var all = layers.SelectMany(layer => layer.Subspaces).ToList();
        foreach (var factor in all.SelectMany(Factors))
        {
            // Momentum and weight decay would still change factors that have no gradient.
            factor.Value.copy_(where(factor.Active!.gt(Constant(0)), factor.Value, factor.Held!));
            factor.Held!.copy_(factor.Value);
        }
        var now = step - 1;   // the schedule counts from 0
        if (now < options.InitialSteps || now > options.FinalStep) return;
        foreach (var factor in all.SelectMany(Factors)) Observe(factor);
        if (now % options.Interval != 0) return;
        Keep(CountAt(now, all.Count), all);
        foreach (var factor in all.SelectMany(Factors))
        {
            factor.Importance!.zero_();
            factor.Uncertainty!.zero_();
        }
    }

    private int CountAt(int now, int all)
    {
        var left = 1 - (double)(now - options.InitialSteps) / (options.FinalStep - options.InitialSteps);
        return (int)(options.TargetSubspaces + (all - options.TargetSubspaces) * Math.Pow(left, options.ScheduleExponent));
    }

    private void Observe(AdamssLayer.Factor factor)
    {
        if (factor.Value.grad is not { } gradient) return;
        var sensitivity = factor.Value.mul(gradient).abs();
        factor.Uncertainty!.mul_(Constant(options.UncertaintySmoothing)).add_(sensitivity.sub(factor.Importance!).abs(), alpha: Constant(1 - options.UncertaintySmoothing));
        factor.Importance!.mul_(Constant(options.ImportanceSmoothing)).add_(sensitivity, alpha: Constant(1 - options.ImportanceSmoothing));
    }

    private static void Keep(int count, IReadOnlyList<AdamssLayer.Subspace> all)
    {
        var active = all.Where(each => each.A.Active!.item<float>() > 0).ToList();
        if (count >= active.Count) return;
        foreach (var subspace in active.OrderByDescending(Score).Skip(count))
            foreach (var factor in Factors(subspace)) factor.Active!.zero_();
    }

    private static double Score(AdamssLayer.Subspace subspace)
        => Factors(subspace).Sum(factor => factor.Importance!.mul(factor.Uncertainty!).mean().to_type(ScalarType.Float64).item<double>());

    private static IEnumerable<AdamssLayer.Factor> Factors(AdamssLayer.Subspace subspace) => [subspace.A, subspace.B];
}
