using static TorchSharp.torch;

namespace Peft;

/// <summary>
/// Merges adapters into the weights of a model's modules and unmerges them. Unmerging is exact, since a merge that can be undone keeps
/// the base weights.
/// </summary>
internal sealed class WeightMerging(PeftModel model)
{
    private readonly Dictionary<object, (WeightStorage Weight, WeightStorage Base)> kept = new(ReferenceEqualityComparer.Instance);

    public bool IsMerged { get; private set; }

    /// <summary>Rounding errors of the last merge.</summary>
    public IReadOnlyList<MergeError> Errors { get; private set; } = [];

    /// <summary>Returns the base values of a weight or bias, even while adapters are merged into it.</summary>
    public WeightStorage BaseOf(WeightStorage weight) => kept.TryGetValue(weight.Identity, out var pair) ? pair.Base : weight;

    public void Merge(bool keep, bool safe, bool dequantize = false)
    {
        if (IsMerged) throw new PeftException("The adapters are already merged.");
        if (model.Active.FirstOrDefault(name => model.Find(name).Prompt is not null) is { } prompt)
            throw new NotMergeableException($"The adapter '{prompt}' ({model.Find(prompt).Options.PeftType}) prepends virtual tokens to the input, which cannot be merged into weights. Use it unmerged.");
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var sites = model.Sites.Where(site => model.ActiveAt(site).Length > 0).ToList();
        foreach (var site in sites) RequireUntied(site);
        foreach (var site in sites) Rehearse(site, safe, dequantize);
        if (dequantize) StoredWeights.Dequantize(model.Module);
        var errors = new List<MergeError>();
        // A tied weight is adapted in the same way in both modules and written once.
        foreach (var tied in sites.GroupBy(site => site.Target.Storage.Identity, ReferenceEqualityComparer.Instance))
        {
            using var each = NewDisposeScope();
            var folded = tied.Select(site => (site.Target, Weights: site.Fold(model.ActiveAt(site)), IsNew: ChangesWeight(site))).ToList();
            if (folded.Find(pair => pair.IsNew) is { Target: { } owner } first)
            {
                var before = owner.Storage.Parameter is null ? owner.ReadMatrix(ScalarType.Float32) : null;
                Write(owner.Storage, owner.ToStored(first.Weights.Weight), keep);
                if (before is not null) errors.Add(Measure(owner, before, first.Weights.Weight));
            }
            foreach (var (target, (_, bias), _) in folded)
                if (bias is not null) Write(new ParameterStorage(target.Bias!), bias, keep);
        }
        foreach (var site in sites) site.IsMerged = keep;
        IsMerged = keep;
        Errors = errors;
    }

    private static MergeError Measure(Target target, Tensor before, Tensor merged)
    {
        using var scope = NewDisposeScope();
        return new(target.Path, Size(target.ReadMatrix(ScalarType.Float32).sub(merged)), Size(merged.sub(before)));

        static double Size(Tensor difference) => Math.Sqrt(difference.square().mean().to_type(ScalarType.Float64).item<double>());
    }

    public void Unmerge()
    {
        if (!IsMerged) throw new PeftException("No adapters are merged.");
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        foreach (var (weight, before) in kept.Values) weight.Restore(before);
        Forget();
    }

    /// <summary>Disposes the base weights. The merged weights stay in the modules.</summary>
    public void Forget()
    {
        foreach (var (_, before) in kept.Values) before.Release();
        kept.Clear();
        foreach (var site in model.Sites) site.IsMerged = false;
        IsMerged = false;
    }

    private void Write(WeightStorage weight, Tensor values, bool keep)
    {
        var before = weight.Replace(values);
        if (keep) kept.Add(weight.Identity, (weight, before));
        else before.Release();
    }

    private bool ChangesWeight(AdapterSite site) => model.ActiveAt(site).Any(layer => layer.ChangesWeight);

    // Throws before any weight is changed if an adapter cannot be merged.
    private void Rehearse(AdapterSite site, bool safe, bool dequantize)
    {
        using var scope = NewDisposeScope();
        var isRounded = site.Target.Storage.Parameter is null && !dequantize && ChangesWeight(site);
        if (isRounded && site.Target.Storage is IFixedStorage { WhyFixed: { } reason }) throw new NotMergeableException($"{site.Target.Path} cannot be merged: {reason}");
        var (weight, bias) = site.Fold(model.ActiveAt(site));
        if (bias is not null && site.Target.Bias is null)
            throw new NotMergeableException($"{site.Target.Path} has no bias, so the bias of its adapter cannot be merged into it. Use the adapter unmerged.");
        if ((safe || isRounded) && !(weight.isfinite().all().item<bool>() && bias?.isfinite().all().item<bool>() != false))
            throw new NotMergeableException($"Merging would write NaN or infinity to {site.Target.Path}: its adapter contains values that are not finite. The model is unchanged.");
    }

    // Writing to a tied weight also changes the other module, so that one must be adapted in the same way.
    private void RequireUntied(AdapterSite site)
    {
        if (!ChangesWeight(site)) return;
        foreach (var other in model.Tree.TiedWith(site.Target))
        {
            var twin = model.SiteOf(other);
            if (twin is not null && AreAlike(model.ActiveAt(site), model.ActiveAt(twin))) continue;
            throw new NotMergeableException(
                $"{site.Target.Path} cannot be merged: {other.Path} shares its weight and would change, too. " +
                $"Use the adapter unmerged, or untie {other.Path} before adding adapters.");
        }
    }

    private static bool AreAlike(AdapterLayer[] these, AdapterLayer[] those) => these.Length == those.Length && these.Zip(those).All(pair => AreOne(pair.First, pair.Second));

    private static bool AreOne(AdapterLayer a, AdapterLayer b)
        => a is FullLayer whole && b is FullLayer same ? whole.HasWeightOf(same) : a.Tensors.Count > 0 && a.Tensors.Select(tensor => tensor.Value).SequenceEqual(b.Tensors.Select(tensor => tensor.Value), ReferenceEqualityComparer.Instance);
}
