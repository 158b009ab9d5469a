using static TorchSharp.torch;

namespace Peft;

// What acts in the passes of each flow of the program.
public sealed partial class PeftModel
{
    private readonly Lock guard = new();   // of what follows, for moments only
    private readonly PassGate gate = new();
    private readonly AsyncLocal<PassFlow?> flow = new();
    private PassState? state;
    private int version, stateVersion = -1;
    private readonly List<PassScope> scopes = [];

    /// <summary>
    /// Begins a pass, or several that belong together, on this thread until the result is disposed: all calls of modules in between see the adapters as they are in
    /// effect now, whatever other threads do. Passes of this library's models do this by themselves; it is for modules of your own whose adapters
    /// other threads change meanwhile.
    /// </summary>
    /// <remarks><see cref="Merge"/>, <see cref="Unload"/> and whatever else changes base weights or hooks wait for it; a scope that is opened inside of it has its effect.</remarks>
    public IDisposable Pass()
    {
        var pass = BeginPass();
        return new PassScopeOfThread(pass, pass.Enter());
    }

    /// <summary>
    /// Uses other adapters than the active ones in this flow of the program (this thread, and what it awaits or starts) until the result is disposed: one for each request of a
    /// server. The first is innermost; none is the base model. Other flows, what is trainable, and <see cref="Active"/> stay as they are.
    /// </summary>
    /// <exception cref="AdapterNotFoundException">There is no adapter of a name.</exception>
    /// <exception cref="PeftException">Adapters are merged.</exception>
    public IDisposable WithAdapters(params string[] names)
    {
        ArgumentNullException.ThrowIfNull(names);
        return names is [Base] ? WithoutAdapters() : WithAdapters(names.Length == 0 ? null : Composition.Stack([.. names.Select(name => (Composition)name)]));
    }

    /// <summary>As <see cref="WithAdapters(string[])"/>, with a composition of adapters; the base model if null.</summary>
    /// <exception cref="AdapterNotFoundException">There is no adapter of a name.</exception>
    /// <exception cref="ArgumentException">An adapter stands in it twice.</exception>
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
    /// Gives each row of the batch an adapter of its own, in this flow of the program (this thread, and what it awaits or starts) until the result is disposed.
    /// All inputs must then have that many rows.
    /// </summary>
    /// <param name="adapterPerRow">Names, or <see cref="Base"/> for none.</param>
    /// <exception cref="AdapterNotFoundException">There is no adapter of a name.</exception>
    /// <exception cref="PeftException">Adapters are merged, or one of them adapts a parameter, which has one value for the whole batch.</exception>
    public IDisposable Rows(params string[] adapterPerRow)
    {
        ArgumentNullException.ThrowIfNull(adapterPerRow);
        if (adapterPerRow.Length == 0) throw new ArgumentException($"Name one adapter, or {nameof(PeftModel)}.{nameof(Base)}, for each row.", nameof(adapterPerRow));
        lock (guard)
        {
            RequireUnmerged();
            Adapter?[] rows = [.. adapterPerRow.Select(name => name == Base ? null : Find(name))];
            return Open(nameof(Rows), [.. rows.OfType<Adapter>().Distinct()], draft => draft.UseRows(rows));
        }
    }

    /// <summary>Switches all adapters off in this flow of the program (this thread, and what it awaits or starts) until the result is disposed: the model is then the base model, also where adapters are merged into its weights.</summary>
    public IDisposable WithoutAdapters() => Open(nameof(WithoutAdapters), [], draft => draft.Disable());

    /// <summary>
    /// Leaves the adapters out of some layers, in this flow of the program until the result is disposed, which saves their time there (AdapterDrop, Rücklé et al. 2020,
    /// arXiv:2010.11918).
    /// </summary>
    /// <param name="layers">Indices of the layers: the first numbers in the paths of their modules.</param>
    public IDisposable WithoutAdaptersIn(params IReadOnlyCollection<int> layers)
    {
        ArgumentNullException.ThrowIfNull(layers);
        int[] left = [.. layers];
        return Open(nameof(WithoutAdaptersIn), [], draft => draft.Drop(left));
    }

    /// <summary>Says which task each row of the batch belongs to, in this flow of the program until the result is disposed, for methods that share an adapter among tasks.</summary>
    /// <param name="taskPerRow">The index of a task per row, from 0; one for all rows.</param>
    public IDisposable Tasks(params IReadOnlyList<int> taskPerRow)
    {
        ArgumentNullException.ThrowIfNull(taskPerRow);
        if (taskPerRow.Count == 0 || taskPerRow.Any(task => task < 0)) throw new ArgumentException($"Tasks are indices from 0, one for each row or one for all, but were [{string.Join(", ", taskPerRow)}].", nameof(taskPerRow));
        int[] tasks = [.. taskPerRow];
        return Open(nameof(Tasks), [], draft => draft.Tasks = tasks);
    }

    /// <summary>The task of each row, <c>[rows]</c>, or of all, <c>[1]</c>; null outside of <see cref="Tasks"/>.</summary>
    public Tensor? TaskIds => Current(state => state.Tasks);

    /// <summary>
    /// Lets passes without gradients use the adapters in effect folded into copies of the weights until the result is disposed, where those
    /// copies are small: for several passes over the same weights. Generation does so by itself. Training must not go on meanwhile.
    /// </summary>
    /// <param name="maximumBytes">How large all copies together may be; beyond that, or where an adapter cannot be folded, nothing happens.</param>
    public IDisposable ForInference(long maximumBytes = 128L << 20)
    {
        lock (guard)
        {
            RequireLoaded();
            var folding = StateIn(flow.Value);
            var sites = folding.Sites.Where(pair => pair.Value.Layers.Length > 0).ToList();
            var fits = sites.Sum(pair => pair.Key.Target.Weight.numel() * pair.Key.Target.Weight.ElementSize) <= maximumBytes
                       && sites.TrueForAll(pair => pair.Key.Target.Weight.dtype is not (ScalarType.Float16 or ScalarType.BFloat16) && pair.Value.Layers.All(layer => layer.CostPerPosition > 0));
            if (!fits || sites.Count == 0) return new Scope(() => { });
            folding.BeginFolding();
            return new Scope(() => { lock (guard) folding.EndFolding(); });
        }
    }

    /// <summary>Shows the inputs of adapted modules as the model runs, in this flow of the program until the result is disposed: for initial values that depend on data.</summary>
    /// <param name="observer">Called with the module and its input, which it must not keep.</param>
    public IDisposable Observe(Action<Target, Tensor> observer)
    {
        ArgumentNullException.ThrowIfNull(observer);
        return Open(nameof(Observe), [], draft => draft.Observer = observer);
    }

    /// <summary>Virtual tokens of the adapters in effect, as a model asks for them; null for none.</summary>
    public PromptStack? Prompts => Current(state => state.Prompts);

    /// <summary>Whether an adapter in effect lets positions see each other (<see cref="AdapterLayer.MixesPositions"/>).</summary>
    public bool MixesPositions => Current(state => state.Adapters.SelectMany(adapter => adapter.Layers).Any(layer => layer.MixesPositions));

    /// <summary>
    /// Whether rows of a batch may run in passes of their own at the same time: no row was given an adapter or a task, and no layer in effect
    /// depends on the batch (<see cref="AdapterLayer.DependsOnBatch"/>).
    /// </summary>
    public bool RowsAreIndependent
        => Current(state => state.Draft.Rows is null && state.Tasks is null
            // A lent parameter stands in its module while a pass runs.
            && state.Sites.All(pair => pair.Value.Layers.Length == 0 || (!pair.Key.Target.IsParameter && !pair.Value.Layers.Any(layer => layer.DependsOnBatch))));

    /// <summary>What the model's next pass asks for a pass before it.</summary>
    internal IReadOnlyList<IReadsFirstPass> FirstPassReaders => Current(state => (IReadOnlyList<IReadsFirstPass>)[.. state.Adapters.Select(adapter => adapter.Shared).OfType<IReadsFirstPass>()]);

    internal PassFlow? Flow { get => flow.Value; set => flow.Value = value; }

    /// <summary>Begins a pass with what is in effect in this flow. Changes of base weights wait for its end.</summary>
    internal PassLease BeginPass() => BeginPass(flow.Value?.Scope);

    /// <summary>Begins a pass with what is in effect in a scope.</summary>
    internal PassLease BeginPass(PassScope? scope)
    {
        scope = PassScope.Innermost(scope);
        var outer = Seen(flow.Value);
        var pass = new PassLease(this, null, scope, holdsModel: true);
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

    /// <summary>What a call of a module sees.</summary>
    internal PassUse UsePass()
    {
        if (Seen(flow.Value) is { } pass) return new(pass.State, null);
        var own = BeginPass();
        return new(own.State, own);
    }

    /// <summary>The scope that this flow is in, for work that begins later.</summary>
    internal PassScope? CurrentScope => PassScope.Innermost(flow.Value?.Scope);

    internal void Begin(PassState begun)
    {
        lock (guard) begun.Begin();
    }

    internal void End(PassLease pass, bool holdsModel)
    {
        lock (guard) pass.State.End();
        if (holdsModel) gate.Leave(pass);
    }

    internal void Replace(PassLease pass, PassDraft draft)
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

    /// <summary>What the model itself says about passes.</summary>
    internal PassDraft Draft()
    {
        var draft = new PassDraft();
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

    private PassScope Open(string kind, IReadOnlyList<Adapter> named, Action<PassDraft> say)
    {
        PassScope scope;
        lock (guard)
        {
            RequireLoaded();
            scope = new PassScope(this, kind, PassScope.Innermost(flow.Value?.Scope), named, say);
            try
            {
                scope.State(version);   // what cannot be is refused now, not by the first pass
            }
            catch
            {
                scope.End();
                throw;
            }
            scopes.Add(scope);
        }
        flow.Value = new PassFlow(scope, flow.Value?.Pass);
        return scope;
    }

    // The pass that a flow is inside of, unless a scope was opened in it, which has its effect.
    private static PassLease? Seen(PassFlow? flow)
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

    // The adapters of a composition, which is checked.
    private Dictionary<string, Adapter> Named(Composition? adapters)
    {
        List<string> names = [.. adapters?.Names ?? []];
        foreach (var name in names) Find(name);
        if (names.Distinct().Count() < names.Count) throw new ArgumentException($"An adapter can be active once, but these are {string.Join(", ", names)}.", nameof(adapters));
        if (adapters?.IsStack == false && names.Find(name => Find(name).Prompt is not null) is { } prompt)
            throw new ArgumentException($"'{prompt}' puts virtual tokens before the input, which a composition other than a stack has no place for.", nameof(adapters));
        return names.ToDictionary(name => name, Find);
    }

    private sealed class PassScopeOfThread(PassLease pass, IDisposable entered) : IDisposable
    {
        public void Dispose()
        {
            if (pass.HasEnded) return;
            entered.Dispose();
            pass.Dispose();
        }
    }
}
