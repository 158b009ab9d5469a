namespace Peft;

/// <summary>What acts at one module in a pass.</summary>
internal sealed class SiteState
{
    /// <summary>Nothing.</summary>
    public static readonly SiteState None = new();

    private readonly Lock folding = new();
    private Weights? folded;

    private SiteState() { }

    /// <exception cref="PeftException">The module cannot do what is asked.</exception>
    public SiteState(AdapterSite site, PassDraft draft)
    {
        if (!draft.AreEnabled || draft.IsDropped(site.Target))
        {
            UsesBaseWeights = site.IsMerged;
            return;
        }
        if (draft.Rows is { } rows)
        {
            if (rows.All(adapter => adapter is null || adapter.At(site.Target).Length == 0)) return;
            if (site.Target.IsParameter) throw new PeftException($"{site.Target} has one value for the whole batch, so rows cannot have adapters of their own. Run the rows apart.");
            Rows = new RowGroups(site.Target, rows);
            return;
        }
        // What is merged is in the weight.
        if (!site.IsMerged) Layers = [.. draft.Composition?.At(site.Target, name => draft.ByName[name].At(site.Target)) ?? []];
    }

    /// <summary>The active layers, the innermost first.</summary>
    public AdapterLayer[] Layers { get; } = [];

    /// <summary>The layers of each row, where rows have adapters of their own.</summary>
    public RowGroups? Rows { get; }

    /// <summary>Whether adapters are merged into the weights, and those of the base model count all the same.</summary>
    public bool UsesBaseWeights { get; }

    /// <summary>A copy of the module's weights with the active layers folded into it, which is kept.</summary>
    public Weights Folded(AdapterSite site)
    {
        lock (folding)
        {
            if (folded is not null) return folded;
            using var scope = TorchSharp.torch.NewDisposeScope();
            var (weight, bias) = site.Fold(Layers);
            // What is the module's own stays the module's.
            return folded = new Weights(weight.clone().DetachFromDisposeScope(), bias?.clone().DetachFromDisposeScope());
        }
    }

    public void ForgetFolded()
    {
        lock (folding)
        {
            folded?.Weight.Dispose();
            folded?.Bias?.Dispose();
            folded = null;
        }
    }
}
