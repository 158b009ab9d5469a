namespace Peft.Lora;

/// <summary>
/// AdaLoRA's rank allocator. The total rank decreases from the initial to the target rank along a cubic schedule; each allocation prunes the least important
/// singular values across all layers.
/// </summary>
internal sealed class AdaLoraBudget : SharedTensors, IPenalty, ITrainingSchedule
{
    private readonly AdaLoraOptions options;
    private readonly IReadOnlyList<AdaLoraLayer> layers;
    private readonly long initial, target;

    public AdaLoraBudget(AdaLoraOptions options, IReadOnlyList<AdaLoraLayer> layers) : base(layers[0].Target.ComputeType, layers[0].Target.Device)
    {
        (this.options, this.layers) = (options, layers);
        initial = layers.Sum(layer => layer.InitialRank);
        target = Math.Min(initial, (long)options.TargetRank * layers.Count);
    }

    public Tensor? Penalty()
    {
        if (options.OrthogonalityWeight == 0) return null;
        var distances = layers.SelectMany(layer => layer.Distances()).ToList();
        return stack([.. distances]).sum().mul(Constant(options.OrthogonalityWeight / distances.Count));
    }

    public void AfterStep(int step, int totalSteps)
    {
        var total = options.GivenSteps ?? totalSteps;
        var last = total - options.FinalSteps;
        if (options.WarmupSteps >= last)
            throw new AdapterOptionsException($"WarmupSteps ({options.WarmupSteps}) and FinalSteps ({options.FinalSteps}) together must be fewer than the {total} steps of the training.");
        foreach (var layer in layers) layer.TotalSteps = total;
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        var now = step - 1;   // the schedule counts from 0
        if (now < last)
        {
            foreach (var layer in layers) layer.Observe(options.SensitivitySmoothing, options.UncertaintySmoothing);
            if (now > options.WarmupSteps && now % options.Interval == 0) Allocate(BudgetAt(now, last));
        }
        else if (now == last)
        {
            Allocate(target);
            foreach (var layer in layers) layer.Forget();
        }
        else foreach (var layer in layers) layer.Mask();
    }

    private long BudgetAt(int now, int last)
    {
        var left = 1 - (double)(now - options.WarmupSteps) / (last - options.WarmupSteps);
        return (long)((initial - target) * Math.Pow(left, 3) + target);
    }

    private void Allocate(long budget)
    {
        if (budget >= initial) return;
        var all = cat([.. layers.Select(layer => layer.Importance())]);
        var limit = all.kthvalue(initial - budget, 0, false).values;
        foreach (var layer in layers) layer.Prune(limit);
    }
}
