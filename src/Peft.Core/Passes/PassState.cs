using static TorchSharp.torch;

namespace Peft;

/// <summary>
/// The adapters in effect during a pass: computed once, immutable, and shared by all passes with the same settings. It keeps its adapters alive as long as
/// it is retained, whatever happens to the model meanwhile.
/// </summary>
/// <remarks>Created, retained and released under the model's lock.</remarks>
internal sealed class PassState
{
    private readonly Dictionary<AdapterSite, SiteState> sites;
    private int holders = 1, passes, folders;

    /// <summary>Computes the state; the caller must release it.</summary>
    /// <exception cref="PeftException">A module does not support the settings.</exception>
    public PassState(PeftModel model, PassBuilder draft)
    {
        Draft = draft;
        Adapters = draft.AreEnabled ? draft.Adapters : [];
        sites = model.Sites.ToDictionary(site => site, site => new SiteState(site, draft));
        Tasks = draft.Tasks is { } tasks ? tensor(tasks.Select(task => (long)task).ToArray()).DetachFromDisposeScope() : null;
        foreach (var adapter in Adapters) adapter.Retain();
        if (PromptsOf(draft) is { } prompts && prompts.Any(row => row.Count > 0)) Prompts = new PromptStack(this, prompts);
    }

    public PassBuilder Draft { get; }

    /// <summary>The adapters in effect, the innermost first; with adapters per row, in the order of their first rows.</summary>
    public IReadOnlyList<Adapter> Adapters { get; }

    /// <summary>Virtual tokens that precede the input; null if there are none.</summary>
    public PromptStack? Prompts { get; }

    /// <summary>The task of each row <c>[rows]</c>, or of all rows <c>[1]</c>; null if none was set.</summary>
    public Tensor? Tasks { get; }

    /// <summary>True if passes without gradients use folded copies of weights.</summary>
    public bool KeepsFolded => Volatile.Read(ref folders) > 0;

    /// <summary>The states of the model's sites.</summary>
    public IEnumerable<KeyValuePair<AdapterSite, SiteState>> Sites => sites;

    /// <summary>Returns the state at a site; empty if the module was adapted after this state was computed.</summary>
    public SiteState At(AdapterSite site) => sites.GetValueOrDefault(site) ?? SiteState.None;

    public void Retain() => holders++;

    public void Release()
    {
        if (--holders > 0) return;
        ForgetFolded();
        Tasks?.Dispose();
        foreach (var adapter in Adapters) adapter.Release();
    }

    /// <summary>Called when a pass, or a sequence of passes, begins to use the state.</summary>
    public void Begin()
    {
        passes++;
        Retain();
    }

    public void End()
    {
        passes--;
        ForgetFolded();
        Release();
    }

    /// <summary>Enables folded copies until a matching call of <see cref="EndFolding"/>.</summary>
    public void BeginFolding()
    {
        folders++;
        Retain();
    }

    public void EndFolding()
    {
        folders--;
        ForgetFolded();
        Release();
    }

    // A running pass may still use the copies after the last EndFolding.
    private void ForgetFolded()
    {
        if (folders > 0 || passes > 0) return;
        foreach (var site in sites.Values) site.ForgetFolded();
    }

    private static IReadOnlyList<PromptLayer>[]? PromptsOf(PassBuilder draft)
        => !draft.AreEnabled ? null
            : draft.Rows is { } rows ? [.. rows.Select(adapter => (IReadOnlyList<PromptLayer>)(adapter?.Prompt is { } own ? [own] : []))]
            : [[.. draft.Adapters.Select(adapter => adapter.Prompt).OfType<PromptLayer>()]];
}
