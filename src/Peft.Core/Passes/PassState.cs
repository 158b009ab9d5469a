using static TorchSharp.torch;

namespace Peft;

/// <summary>
/// What acts in a pass: worked out once, never changed, and shared by all passes that see the same. The adapters in it live as long as anybody
/// holds it, whatever happens to the model meanwhile.
/// </summary>
/// <remarks>Made, retained and released under the model's lock.</remarks>
internal sealed class PassState
{
    private readonly Dictionary<AdapterSite, SiteState> sites;
    private int holders = 1, passes, folders;

    /// <summary>Works it out; whoever asks for it releases it.</summary>
    /// <exception cref="PeftException">A module cannot do what is asked.</exception>
    public PassState(PeftModel model, PassDraft draft)
    {
        Draft = draft;
        Adapters = draft.AreEnabled ? draft.Adapters : [];
        sites = model.Sites.ToDictionary(site => site, site => new SiteState(site, draft));
        Tasks = draft.Tasks is { } tasks ? tensor(tasks.Select(task => (long)task).ToArray()).DetachFromDisposeScope() : null;
        foreach (var adapter in Adapters) adapter.Retain();
        if (PromptsOf(draft) is { } prompts && prompts.Any(row => row.Count > 0)) Prompts = new PromptStack(this, prompts);
    }

    public PassDraft Draft { get; }

    /// <summary>Adapters that act, the innermost first; those of rows in the order of their first rows.</summary>
    public IReadOnlyList<Adapter> Adapters { get; }

    /// <summary>Virtual tokens before the input; null for none.</summary>
    public PromptStack? Prompts { get; }

    /// <summary>The task of each row <c>[rows]</c>, or of all <c>[1]</c>; null if none was given.</summary>
    public Tensor? Tasks { get; }

    /// <summary>Whether passes without gradients use folded copies of weights.</summary>
    public bool KeepsFolded => Volatile.Read(ref folders) > 0;

    /// <summary>What acts at the model's modules.</summary>
    public IEnumerable<KeyValuePair<AdapterSite, SiteState>> Sites => sites;

    /// <summary>What acts at a module: nothing where it has been adapted since.</summary>
    public SiteState At(AdapterSite site) => sites.GetValueOrDefault(site) ?? SiteState.None;

    public void Retain() => holders++;

    public void Release()
    {
        if (--holders > 0) return;
        ForgetFolded();
        Tasks?.Dispose();
        foreach (var adapter in Adapters) adapter.Release();
    }

    /// <summary>A pass, or a run of passes, begins to use it.</summary>
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

    /// <summary>Passes use folded copies from now on, until as many calls of <see cref="EndFolding"/>.</summary>
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

    // A pass may be using them, though nobody asks for them any more.
    private void ForgetFolded()
    {
        if (folders > 0 || passes > 0) return;
        foreach (var site in sites.Values) site.ForgetFolded();
    }

    private static IReadOnlyList<PromptLayer>[]? PromptsOf(PassDraft draft)
        => !draft.AreEnabled ? null
            : draft.Rows is { } rows ? [.. rows.Select(adapter => (IReadOnlyList<PromptLayer>)(adapter?.Prompt is { } own ? [own] : []))]
            : [[.. draft.Adapters.Select(adapter => adapter.Prompt).OfType<PromptLayer>()]];
}
