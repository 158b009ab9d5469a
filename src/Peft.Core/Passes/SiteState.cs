namespace Peft;

/// <summary>The layers in effect at one module during a pass.</summary>
internal sealed class SiteState
{
    /// <summary>No layers.</summary>
    public static readonly SiteState None = new();

    private readonly Lock folding = new();
    private Weights? folded;

    private SiteState() { }

    /// <exception cref="PeftException">The module does not support the settings.</exception>
    public SiteState(AdapterSite site, PassBuilder draft)
    {
        if (!draft.AreEnabled || draft.IsDropped(site.Target))
        {
            UsesBaseWeights = site.IsMerged;
            return;
        }
        if (draft.Rows is { } rows)
        {
            if (rows.All(adapter => adapter is null || adapter.At(site.Target).Length == 0)) return;
            if (site.Target.IsParameter) throw new PeftException($"{site.Target} has one value for the whole batch, so rows cannot have different adapters. Run the rows in separate forward passes.");
            Rows = new RowGroups(site.Target, rows);
            return;
        }
        // Merged layers are part of the weight.
        if (!site.IsMerged) Layers = [.. draft.Composition?.At(site.Target, name => draft.ByName[name].At(site.Target)) ?? []];
    }

    /// <summary>The active layers, the innermost first.</summary>
    public AdapterLayer[] Layers { get; } = [];

    /// <summary>The layers of each row, if rows have different adapters.</summary>
    public RowGroups? Rows { get; }

    /// <summary>True if adapters are merged into the weights, but the pass must use the base weights.</summary>
    public bool UsesBaseWeights { get; }

    /// <summary>Returns a cached copy of the module's weights with the active layers folded in.</summary>
    public Weights Folded(AdapterSite site)
    {
        lock (folding)
        {
            if (folded is not null) return folded;
            using var scope = TorchSharp.torch.NewDisposeScope();
            var (weight, bias) = site.Fold(Layers);
            // Clones, since the fold may return the module's own tensors.
            return folded = new Weights(weight.clone().DetachFromDisposeScope(), bias?.clone().DetachFromDisposeScope());
        }
    }

    public void ForgetFolded()
    {
        lock (folding)
        {
            Rows?.ForgetStacked();
            folded?.Weight.Dispose();
            folded?.Bias?.Dispose();
            folded = null;
        }
    }
}
