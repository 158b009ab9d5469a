using static TorchSharp.torch;

namespace Peft;

// The adapters in effect during forward passes, for each asynchronous flow.
public sealed partial class PeftModel
{
    private readonly Lock guard = new();   // guards the fields below; held only briefly
    private readonly PassGate gate = new();
    private readonly AsyncLocal<PassFlow?> flow = new();
    private PassState? state;
    private int version, stateVersion = -1;
    private readonly List<PassScope> scopes = [];

    /// <summary>
    /// Begins a forward pass, or several that belong together, on this thread until the result is disposed. All module calls until then use the adapters that are
    /// in effect now, regardless of changes by other threads. This library's models call it themselves. Call it for your own modules if other threads change
    /// their adapters concurrently.
    /// </summary>
    /// <remarks>
    /// <see cref="Merge"/>, <see cref="Unload"/> and all other operations that change base weights or hooks wait for its end. A scope that is opened within it
    /// still takes effect.
    /// </remarks>
    public IDisposable Pass()
    {
        var pass = BeginPass();
        return new PassScopeOfThread(pass, pass.Enter());
    }

    /// <summary>
    /// Uses other adapters than the active ones in this asynchronous flow (this thread, and what it awaits or starts) until the result is disposed, for example one
    /// per request of a server. The first is innermost. Without names, the base model is used. Other flows, the trainable adapters and <see cref="Active"/> are not affected.
    /// </summary>
    /// <exception cref="AdapterNotFoundException">There is no adapter of that name.</exception>
    /// <exception cref="PeftException">Adapters are merged.</exception>
    public IDisposable WithAdapters(params string[] names)
    {
        ArgumentNullException.ThrowIfNull(names);
        return names is [Base] ? WithoutAdapters() : WithAdapters(names.Length == 0 ? null : Composition.Stack([.. names.Select(name => (Composition)name)]));
    }

    /// <summary>Uses a composition of adapters, as <see cref="WithAdapters(string[])"/> does; the base model if null.</summary>
    /// <exception cref="AdapterNotFoundException">There is no adapter of that name.</exception>
    /// <exception cref="ArgumentException">The composition contains an adapter twice.</exception>
    /// <exception cref="PeftException">Adapters are merged.</exception>
    public IDisposable WithAdapters(Composition? adapters)
    {
        lock (guard)
        {
            RequireUnmerged();
            var named = Named(adapters);
            return Open(nameof(WithAdapters), [.. named.Values], draft => draft.Use(adapters, named));
        }
    }

    /// <summary>
    /// Assigns an adapter to each row of the batch, in this asynchronous flow (this thread, and what it awaits or starts) until the result is disposed.
    /// All inputs must have that many rows.
    /// </summary>
    /// <param name="adapterPerRow">Adapter names, or <see cref="Base"/> for rows without an adapter.</param>
    /// <exception cref="AdapterNotFoundException">There is no adapter of that name.</exception>
    /// <exception cref="PeftException">Adapters are merged, or one of them adapts a parameter, which has a single value for the whole batch.</exception>
    public IDisposable Rows(params string[] adapterPerRow)
    {
        ArgumentNullException.ThrowIfNull(adapterPerRow);
        if (adapterPerRow.Length == 0) throw new ArgumentException($"Pass one adapter, or {nameof(PeftModel)}.{nameof(Base)}, for each row.", nameof(adapterPerRow));
        lock (guard)
        {
            RequireUnmerged();
            Adapter?[] rows = [.. adapterPerRow.Select(name => name == Base ? null : Find(name))];
            return Open(nameof(Rows), [.. rows.OfType<Adapter>().Distinct()], draft => draft.UseRows(rows));
        }
    }

    /// <summary>
    /// Disables all adapters in this asynchronous flow (this thread, and what it awaits or starts) until the result is disposed. The model then computes the output of the
    /// base model, even while adapters are merged.
    /// </summary>
    public IDisposable WithoutAdapters() => Open(nameof(WithoutAdapters), [], draft => draft.Disable());

    /// <summary>
    /// Skips the adapters of some layers, in this asynchronous flow until the result is disposed, to save their computation (AdapterDrop, Rücklé et al. 2020,
    /// arXiv:2010.11918).
    /// </summary>
    /// <param name="layers">
    /// Indices of the layers. A module belongs to the layer whose index is the first number between two names in its path: <c>model.layers.3.mlp</c> is in layer 3.
    /// A module without such a number keeps its adapters, even if it is itself an item of a list (<c>list.0</c>).
    /// </param>
    public IDisposable WithoutAdaptersIn(params IReadOnlyCollection<int> layers)
    {
        ArgumentNullException.ThrowIfNull(layers);
        int[] left = [.. layers];
        return Open(nameof(WithoutAdaptersIn), [], draft => draft.Drop(left));
    }

    /// <summary>Sets the task of each row of the batch, in this asynchronous flow until the result is disposed, for methods that share an adapter between tasks.</summary>
    /// <param name="taskPerRow">The task index of each row, from 0, or a single index for all rows.</param>
    public IDisposable Tasks(params IReadOnlyList<int> taskPerRow)
    {
        ArgumentNullException.ThrowIfNull(taskPerRow);
        if (taskPerRow.Count == 0 || taskPerRow.Any(task => task < 0)) throw new ArgumentException($"Tasks are indices from 0, one for each row or one for all, but were [{string.Join(", ", taskPerRow)}].", nameof(taskPerRow));
        int[] tasks = [.. taskPerRow];
        return Open(nameof(Tasks), [], draft => draft.Tasks = tasks);
    }

    /// <summary>The task of each row, <c>[rows]</c>, or of all rows, <c>[1]</c>; null outside <see cref="Tasks"/>.</summary>
    public Tensor? TaskIds => Current(state => state.Tasks);

    private const long InCaches = 16L << 20;   // bytes of weights that roughly stay in the processor's caches, so that a decode step is short

    /// <summary>
    /// Folds the adapters in effect into copies of the weights for forward passes without gradients, until the result is disposed, if those copies
    /// are small. This pays off for several passes with the same weights; generation does it itself. On the CPU, low-rank adapters of large matrices are not folded: the products of a decode step add them at less cost. The model must not be trained meanwhile.
    /// </summary>
    /// <param name="maximumBytes">Maximum total size of the copies in bytes. If they are larger, or an adapter cannot be folded, nothing is folded.</param>
    public IDisposable ForInference(long maximumBytes = 128L << 20)
    {
        lock (guard)
        {
            RequireLoaded();
            var folding = StateIn(flow.Value);
            var sites = folding.Sites.Where(pair => pair.Value.Layers.Length > 0).ToList();
            var bytes = sites.Sum(pair => pair.Key.Target.Storage.Bytes);
            if (bytes > InCaches && sites.TrueForAll(pair => pair.Key.HasLowRankStep(pair.Value.Layers))) return new Scope(() => { });
            var fits = bytes <= maximumBytes && sites.TrueForAll(pair => pair.Key.Target.Storage.Parameter is not null
                && !AdapterSite.IsNarrow(pair.Key.Target.ComputeType) && pair.Value.Layers.All(layer => layer.CostPerPosition > 0));
            if (!fits || sites.Count == 0) return new Scope(() => { });
            folding.BeginFolding();
            return new Scope(() => { lock (guard) folding.EndFolding(); });
        }
    }

    /// <summary>Keeps the stacked factors of rows with different adapters for the next passes without gradients, until the result is disposed. The adapters must not be trained meanwhile.</summary>
    internal IDisposable KeepStacked()
    {
        lock (guard)
        {
            var kept = StateIn(flow.Value);
            kept.BeginFolding();
            return new Scope(() => { lock (guard) kept.EndFolding(); });
        }
    }

    /// <summary>
    /// Observes the inputs of adapted modules during forward passes, in this asynchronous flow until the result is disposed, for data-dependent
    /// initialization.
    /// </summary>
    /// <param name="observer">Called with the module and its input. It must not keep the input.</param>
    public IDisposable Observe(Action<Target, Tensor> observer)
    {
        ArgumentNullException.ThrowIfNull(observer);
        return Open(nameof(Observe), [], draft => draft.Observer = observer);
    }

    /// <summary>Virtual tokens of the adapters in effect, for the model's forward pass; null if there are none.</summary>
    public PromptStack? Prompts => Current(state => state.Prompts);

    /// <summary>True if an adapter in effect mixes positions (<see cref="IMixesPositions"/>).</summary>
    public bool MixesPositions => Current(state => state.Adapters.SelectMany(adapter => adapter.Layers).Any(layer => layer is IMixesPositions));

    /// <summary>True if every layer in effect computes the output at a position only from the input at that position, so that its weights could be folded.</summary>
    internal bool ActsOnPositions => Current(state => state.Sites.All(pair => pair.Value.Rows is null && pair.Value.Layers.All(layer => layer.CostPerPosition > 0)));

    /// <summary>
    /// True if rows of a batch may run in separate concurrent passes: all rows have the same adapters and tasks, and no layer in effect
    /// depends on the batch (<see cref="AdapterLayer.DependsOnBatch"/>).
    /// </summary>
    public bool RowsAreIndependent
        => Current(state => state.Draft.Rows is null && state.Tasks is null
            // An adapted parameter replaces the module's own for the duration of a pass.
            && state.Sites.All(pair => pair.Value.Layers.Length == 0 || (!pair.Key.Target.IsParameter && !pair.Value.Layers.Any(layer => layer.DependsOnBatch))));

    /// <summary>Bytes of the weights that a training pass computes by folding adapters into them.</summary>
    internal long FoldedBytes => Current(state => state.Sites.Sum(pair => pair.Key.FoldedBytes(pair.Value.Layers)));

    /// <summary>True if the rows of a batch may be packed into a single row: they are independent, and no adapter in effect depends on positions in the batch.</summary>
    internal bool RowsMayBePacked => RowsAreIndependent && !MixesPositions && Current(state => state.Draft.Composition?.Slices != true);

    /// <summary>True if the inputs of modules are observed (<see cref="Observe"/>).</summary>
    internal bool IsObserved => Current(state => state.Draft.Observer is not null);

    /// <summary>The adapters in effect that need a preliminary forward pass.</summary>
    internal IReadOnlyList<IReadsPreliminaryPass> PreliminaryPassReaders => Current(state => (IReadOnlyList<IReadsPreliminaryPass>)[.. state.Adapters.Select(adapter => adapter.Shared).OfType<IReadsPreliminaryPass>()]);

    internal PassFlow? Flow { get => flow.Value; set => flow.Value = value; }

    internal bool ChangeWaits => gate.ChangeWaits;

    /// <summary>Begins a pass with the adapters in effect in this flow. Changes of base weights wait for its end.</summary>
    internal PassHandle BeginPass() => BeginPass(flow.Value?.Scope);

    /// <summary>Begins a pass with the adapters in effect in a scope.</summary>
    internal PassHandle BeginPass(PassScope? scope)
    {
        scope = PassScope.Innermost(scope);
        var outer = Seen(flow.Value);
        var pass = new PassHandle(this, null, scope, holdsModel: true);
        gate.Enter(pass, isNested: flow.Value?.Pass is { HasEnded: false });
        try
        {
            lock (guard)
            {
                pass.State = outer is not null && PassScope.Innermost(outer.Scope) == scope ? outer.State : StateOf(scope);
                pass.State.Begin();
            }
            return pass;
        }
        catch
        {
            gate.Leave(pass);
            throw;
        }
    }

    /// <summary>Returns the state that a module call uses: that of the surrounding pass, or that of a new pass.</summary>
    internal PassUse UsePass()
    {
        if (Seen(flow.Value) is { } pass) return new(pass.State, null);
        var own = BeginPass();
        return new(own.State, own);
    }

    /// <summary>The innermost scope of this flow, for work that starts later.</summary>
    internal PassScope? CurrentScope => PassScope.Innermost(flow.Value?.Scope);

    /// <summary>Opens a scope that belongs to no flow, for a request that is processed later. It keeps its adapters, whatever happens to the model meanwhile.</summary>
    /// <param name="adapter">The adapter, or <see cref="Base"/>; null for the active ones.</param>
    /// <exception cref="AdapterNotFoundException">There is no adapter of that name.</exception>
    /// <exception cref="PeftException">An adapter was named while adapters are merged.</exception>
    internal PassScope Capture(string? adapter)
    {
        lock (guard)
        {
            RequireLoaded();
            if (adapter == Base) return Opened(nameof(WithAdapters), null, [], draft => draft.Disable());
            if (adapter is not null) RequireUnmerged(nameof(WithAdapters));
            var own = adapter is null ? composition : adapter;
            var named = own is null ? [] : Named(own);
            return Opened(nameof(WithAdapters), null, [.. named.Values], draft => draft.Use(own, named));
        }
    }

    /// <summary>
    /// True if the passes of a scope can share a batch with those of other scopes (<see cref="Rows"/>), and join and leave it between two tokens: it has at most one adapter, whose layers act on
    /// each position separately.
    /// </summary>
    /// <param name="scope">The scope.</param>
    /// <param name="adapter">Its adapter; null for none, or if it is merged.</param>
    internal bool CanShareBatch(PassScope scope, out Adapter? adapter)
    {
        lock (guard)
        {
            var here = scope.State(version);
            adapter = null;
            if (Sites.Any(site => site.IsMerged)) return here.Draft.AreEnabled && here.Prompts is null;
            if (here.Adapters.Count == 0) return true;
            if (here.Draft.Composition is not { IsStack: true } || here.Adapters is not [{ Prompt: null, Shared: not IReadsPreliminaryPass } single]) return false;
            adapter = single;
            return single.Layers.All(layer => layer.CostPerPosition > 0 && !layer.DependsOnBatch && !layer.Target.IsParameter);
        }
    }

    /// <summary>Sets the adapter of each row of a pass's next inputs; null for none.</summary>
    internal void UseRows(PassHandle pass, IReadOnlyList<Adapter?> rows)
    {
        var draft = new PassBuilder();
        draft.UseRows(rows);
        Replace(pass, draft);
    }

    internal void Begin(PassState begun)
    {
        lock (guard) begun.Begin();
    }

    internal void End(PassHandle pass, bool holdsModel)
    {
        lock (guard) pass.State.End();
        if (holdsModel) gate.Leave(pass);
    }

    internal void Replace(PassHandle pass, PassBuilder draft)
    {
        lock (guard)
        {
            var next = new PassState(this, draft);
            next.Begin();
            next.Release();
            pass.State.End();
            pass.State = next;
        }
    }

    /// <summary>Creates the draft of a pass outside any scope: the active adapters.</summary>
    internal PassBuilder Draft()
    {
        var draft = new PassBuilder();
        draft.Use(composition, composition is null ? adapters : Named(composition));
        return draft;
    }

    internal void End(PassScope scope)
    {
        lock (guard)
        {
            if (!scope.End()) return;
            scopes.Remove(scope);
        }
        if (flow.Value is { } here && here.Scope == scope) flow.Value = here with { Scope = PassScope.Innermost(scope) };
    }

    private PassScope Open(string kind, IReadOnlyList<Adapter> named, Action<PassBuilder> configure)
    {
        PassScope scope;
        lock (guard)
        {
            RequireLoaded();
            scope = Opened(kind, PassScope.Innermost(flow.Value?.Scope), named, configure);
        }
        flow.Value = new PassFlow(scope, flow.Value?.Pass);
        return scope;
    }

    private PassScope Opened(string kind, PassScope? outer, IReadOnlyList<Adapter> named, Action<PassBuilder> configure)
    {
        var scope = new PassScope(this, kind, outer, named, configure);
        try
        {
            scope.State(version);   // throws now instead of in the first pass
        }
        catch
        {
            scope.End();
            throw;
        }
        scopes.Add(scope);
        return scope;
    }

    // The pass that surrounds a flow, unless a scope was opened within it: that scope takes effect.
    private static PassHandle? Seen(PassFlow? flow)
        => flow?.Pass is { HasEnded: false } pass && PassScope.Innermost(pass.Scope) == PassScope.Innermost(flow.Scope) ? pass : null;

    private PassState StateIn(PassFlow? flow) => Seen(flow)?.State ?? StateOf(PassScope.Innermost(flow?.Scope));

    private PassState StateOf(PassScope? scope)
    {
        if (scope is not null) return scope.State(version);
        if (state is not null && stateVersion == version) return state;
        var next = new PassState(this, Draft());
        state?.Release();
        (state, stateVersion) = (next, version);
        return next;
    }

    private T Current<T>(Func<PassState, T> read)
    {
        lock (guard) return read(StateIn(flow.Value));
    }

    // The adapters of a composition, after validation.
    private Dictionary<string, Adapter> Named(Composition? adapters)
    {
        List<string> names = [.. adapters?.Names ?? []];
        foreach (var name in names) Find(name);
        if (names.Distinct().Count() < names.Count) throw new ArgumentException($"An adapter can be active only once, but the names are {string.Join(", ", names)}.", nameof(adapters));
        if (adapters?.IsStack == false && names.Find(name => Find(name).Prompt is not null) is { } prompt)
            throw new ArgumentException($"'{prompt}' prepends virtual tokens to the input, which only a stack supports.", nameof(adapters));
        return names.ToDictionary(name => name, Find);
    }

    private sealed class PassScopeOfThread(PassHandle pass, IDisposable entered) : IDisposable
    {
        public void Dispose()
        {
            if (pass.HasEnded) return;
            entered.Dispose();
            pass.Dispose();
        }
    }
}
