using System.Runtime.CompilerServices;
using static TorchSharp.torch;

namespace Peft;

/// <summary>
/// A model with adapters. The model itself is adapted in place and used as before; its own weights are frozen. Disposing this
/// unloads the adapters and leaves the model as it was, bit for bit.
/// </summary>
/// <remarks>
/// Safe for use from several threads. A pass or a generation sees the adapters as they were when it began, to its end: what it has begun with lives until then, also
/// if it is deleted, renamed or swapped meanwhile. <see cref="Merge"/>, <see cref="Unmerge"/>, <see cref="Unload"/> and what adapts a module of another library for the first time wait
/// for the passes and generations that run. Scopes such as <see cref="Rows"/> and <see cref="WithAdapters(string[])"/> belong to the flow of the program that opened them (a thread, and
/// what it awaits or starts), nest in any order, and the innermost has its way. A training run wants what it trains for itself: changes to it are refused until it ends.
/// </remarks>
public sealed partial class PeftModel : ITrainable, IDisposable
{
    /// <summary>The name of an adapter that was given none.</summary>
    public const string DefaultName = "default";

    /// <summary>In <see cref="Rows"/>, a row that goes through the model without adapters.</summary>
    public const string Base = "__base__";

    private static readonly ConditionalWeakTable<nn.Module, PeftModel> Adapted = [];

    private readonly HashSet<string> frozen = [];   // by name: a module that changes type or device makes new parameters
    private readonly Lock changes = new();          // one change at a time; passes go on
    private readonly WeightMerging merging;
    private readonly LayerArrangement layers;
    // Replaced as a whole, so that they can be read at any time.
    private Dictionary<object, AdapterSite> sites = new(ReferenceEqualityComparer.Instance);
    private Dictionary<string, Adapter> adapters = [];
    private List<string> active = [];
    private Composition? composition;
    private bool isUnloaded;
    private int trainingRuns;

    /// <summary>Freezes a model and makes it ready for adapters.</summary>
    /// <exception cref="AdapterExistsException">The model has adapters already.</exception>
    public PeftModel(nn.Module model)
    {
        ArgumentNullException.ThrowIfNull(model);
        if (Of(model) is { } existing)
            throw new AdapterExistsException(
                $"This {model.GetType().Name} has adapters already ({string.Join(", ", existing.adapters.Keys)}). " +
                $"Add another to the same {nameof(PeftModel)} with Add(name, options), or dispose that one first.");
        Module = model;
        Tree = new ModelTree(model);
        foreach (var (name, parameter) in model.named_parameters().Where(pair => pair.parameter.requires_grad).ToList())
        {
            frozen.Add(name);
            parameter.requires_grad = false;
        }
        merging = new WeightMerging(this);
        layers = new LayerArrangement(model, () => Current(state => state.Adapters.Count > 0));
        Adapted.Add(model, this);
    }

    /// <summary>The adapted model.</summary>
    public nn.Module Module { get; }

    /// <summary>Its modules by path.</summary>
    public ModelTree Tree { get; private set; }

    /// <summary>All adapters by name.</summary>
    public IReadOnlyDictionary<string, Adapter> Adapters => adapters;

    /// <summary>Names of the active adapters, the innermost first.</summary>
    public IReadOnlyList<string> Active => active;

    /// <summary>The adapters of a model, or null if it has none.</summary>
    public static PeftModel? Of(nn.Module model) => Adapted.TryGetValue(model, out var peft) ? peft : null;

    /// <summary>Adds an adapter. The first one is active at once, others when <see cref="Activate(string[])"/> names them.</summary>
    /// <returns>This model.</returns>
    /// <exception cref="AdapterNameException">The name cannot be that of a folder, or has a meaning of its own.</exception>
    /// <exception cref="AdapterExistsException">The name is taken.</exception>
    /// <exception cref="AdapterOptionsException">The options make no sense.</exception>
    /// <exception cref="TargetNotFoundException">A name in the options matches no module.</exception>
    public PeftModel Add(string name, AdapterOptions options) => Add(name, options, _ => { });

    /// <summary>As <see cref="Add(string, AdapterOptions)"/>, with values of its own for the adapter's tensors.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="options">Options of its method.</param>
    /// <param name="prepare">Fills the adapter before it is the model's. If that fails, the model is as it was.</param>
    /// <returns>This model.</returns>
    public PeftModel Add(string name, AdapterOptions options, Action<Adapter> prepare)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(prepare);
        lock (changes)
        {
            RequireLoaded();
            RequireFree(name);
            Put(name, Make(name, options, prepare));
            SetLearning();
            if (active.Count == 0) Activate(name);
        }
        return this;
    }

    /// <summary>Puts an adapter in the place of another once it is ready. Passes that have begun end with the old one.</summary>
    internal void Exchange(string name, AdapterOptions options, Action<Adapter> prepare)
    {
        lock (changes)
        {
            var old = Find(name);
            RequireUnused(old, "HotSwap");
            RequireUnmerged("HotSwap");
            var next = Make(name, options, prepare);
            next.IsFrozen = old.IsFrozen;
            Put(name, next);
            SetLearning();
            lock (guard) old.Release();
        }
    }

    /// <summary>Removes an adapter. If it was active, no other takes its place. Passes and scopes that have begun with it end with it.</summary>
    /// <exception cref="AdapterNotFoundException">There is no adapter of that name.</exception>
    /// <exception cref="PeftException">Adapters are merged, another adapter is made of it, or it is being trained.</exception>
    public void Delete(string name)
    {
        lock (changes)
        {
            RequireUnmerged();
            var adapter = Find(name);
            RequireUnused(adapter);
            lock (guard)
            {
                adapters = adapters.Where(pair => pair.Key != name).ToDictionary();
                active = [.. active.Where(each => each != name)];
                composition = composition?.Without(name);
                version++;
                adapter.Release();
            }
            // If passes run, the hooks stay until the next occasion: they do nothing.
            gate.TryChange(() =>
            {
                List<Adapter> used = [.. adapters.Values, .. Scoped()];
                RemoveSites(site => used.TrueForAll(other => other.At(site.Target).Length == 0));
                RestoreLayers();
            });
        }
    }

    /// <summary>Gives an adapter another name.</summary>
    /// <exception cref="AdapterNameException">The new name cannot be that of a folder, or has a meaning of its own.</exception>
    /// <exception cref="AdapterExistsException">The new name is taken.</exception>
    /// <exception cref="AdapterNotFoundException">There is no adapter of the old name.</exception>
    public void Rename(string name, string newName)
    {
        lock (changes)
        {
            var adapter = Find(name);
            if (name == newName) return;
            RequireFree(newName);
            lock (guard)
            {
                adapters = adapters.ToDictionary(pair => pair.Key == name ? newName : pair.Key, pair => pair.Value);
                adapter.Name = newName;
                active = [.. active.Select(each => each == name ? newName : each)];
                composition = composition?.Rename(name, newName);
                version++;
            }
        }
    }

    /// <summary>The adapter of a name.</summary>
    /// <exception cref="AdapterNotFoundException">There is none.</exception>
    /// <exception cref="PeftException">The adapters were unloaded.</exception>
    public Adapter Find(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        RequireLoaded();
        return adapters.GetValueOrDefault(name) ?? throw new AdapterNotFoundException(
            $"There is no adapter '{name}'. The adapters of this model are: {(adapters.Count == 0 ? "none" : string.Join(", ", adapters.Keys))}.");
    }

    /// <summary>Whether adapters are merged into the weights.</summary>
    public bool IsMerged => merging.IsMerged;

    /// <summary>
    /// Folds the active adapters into the weights, so that the model runs at the base model's speed. The base weights are kept.
    /// </summary>
    /// <param name="safe">Whether to refuse weights that are not finite. The model is then unchanged.</param>
    /// <exception cref="NotMergeableException">An active adapter cannot be expressed as weights, a weight is shared with a module that is not adapted alike, or a merged weight is not finite.</exception>
    /// <exception cref="PeftException">A scope such as <see cref="Rows"/> is open, in this flow or another, or a training run goes on.</exception>
    public void Merge(bool safe = false)
    {
        lock (changes)
        {
            RequireLoaded();
            RequireNoScopes();
            RequireNoTraining();
            gate.Change(nameof(Merge), () => merging.Merge(keep: true, safe));
            Changed();
        }
    }

    /// <summary>Puts the base weights back, bit for bit.</summary>
    /// <exception cref="PeftException">No adapters are merged.</exception>
    public void Unmerge()
    {
        lock (changes)
        {
            RequireLoaded();
            gate.Change(nameof(Unmerge), merging.Unmerge);
            Changed();
        }
    }

    /// <summary>Folds the active adapters into the weights for good, takes all adapters off, and gives back the plain model.</summary>
    /// <param name="safe">Whether to refuse weights that are not finite. The model is then unchanged.</param>
    /// <exception cref="NotMergeableException">As for <see cref="Merge"/>.</exception>
    /// <exception cref="PeftException">As for <see cref="Merge"/>.</exception>
    public nn.Module MergeAndUnload(bool safe = false)
    {
        lock (changes)
        {
            RequireLoaded();
            RequireNoScopes();
            RequireNoTraining();
            gate.Change(nameof(MergeAndUnload), () =>
            {
                if (layers.IsSet) throw new NotMergeableException("The adapter runs the model's layers in another order, which a plain model cannot: use the adapter unmerged.");
                if (IsMerged) merging.Forget();
                else merging.Merge(keep: false, safe);
                AdoptTask();
                Detach();
            });
        }
        return Module;
    }

    /// <summary>Takes all adapters off and gives the model back as it was before, its parameters trainable again where they were. Scopes that are open end.</summary>
    /// <exception cref="PeftException">A training run goes on.</exception>
    public nn.Module Unload()
    {
        lock (changes)
        {
            if (isUnloaded) return Module;
            RequireNoTraining();
            gate.Change(nameof(Unload), () =>
            {
                if (IsMerged) merging.Unmerge();
                Detach();
            });
        }
        return Module;
    }

    /// <summary>Unloads the adapters; the model lives on.</summary>
    /// <exception cref="PeftException">A training run goes on.</exception>
    public void Dispose() => Unload();

    internal IReadOnlyCollection<AdapterSite> Sites => sites.Values;

    internal Tensor BaseOf(TorchSharp.Modules.Parameter parameter) => merging.BaseOf(parameter);

    internal AdapterSite? SiteOf(Target target) => sites.GetValueOrDefault(target.Key);

    /// <summary>The active layers at a module, whatever scopes are open; those that are merged, too.</summary>
    internal AdapterLayer[] ActiveAt(AdapterSite site) => [.. composition?.At(site.Target, name => Find(name).At(site.Target)) ?? []];

    /// <summary>An adapter whose tensors live until the result is disposed, whatever happens to it meanwhile.</summary>
    internal IDisposable Hold(string name, out Adapter adapter)
    {
        lock (guard)
        {
            var held = adapter = Find(name);
            held.Retain();
            return new Scope(() => { lock (guard) held.Release(); });
        }
    }

    private Adapter Make(string name, AdapterOptions options, Action<Adapter> prepare)
    {
        RequireUnmerged(nameof(Add));
        options.Validate();
        Adapter? made = null;
        try
        {
            FitTask(name, options);
            if (options.LayerOrder is not null)
                gate.Change(nameof(Add), () =>
                {
                    if (layers.Arrange(options.LayerOrder, adapters.Count > 0)) Tree = new ModelTree(Module);
                });
            AdapterPlan plan;
            using (new OwnSeed(options.InitializationSeed)) plan = options.PlanFor(Tree);
            RequireTaskHead(name, plan);
            // As Hugging Face PEFT does, so that whoever finds the adapter finds its model.
            if (plan.Options.BaseModelNameOrPath is null && Module is IPretrainedModel { NameOrPath: { } source })
                plan = plan with { Options = plan.Options with { BaseModelNameOrPath = source } };
            if (plan.Options.TaskType is null && Tree.TaskType is { } task) plan = plan with { Options = plan.Options with { TaskType = task } };
            if (plan.Options.Task is null && Module is ITaskModel { Task: { } description }) plan = plan with { Options = plan.Options with { Task = description } };
            made = new Adapter(name, plan)
            {
                Warnings = [.. BaseModelName.Warnings(name, options, Module), .. options is TargetedOptions targeted ? TargetMatcher.Idle(targeted, Tree).Select(idle => $"Adapter '{name}': {idle}") : []],
            };
            prepare(made);
            return made;
        }
        catch
        {
            made?.Release();
            gate.TryChange(RestoreLayers);
            throw;
        }
    }

    // Makes an adapter, which is released if that fails, one of the model's.
    private void Put(string name, Adapter adapter)
    {
        var added = new List<AdapterSite>();
        try
        {
            foreach (var target in adapter.Layers.Select(layer => layer.Target).DistinctBy(target => target.Key, ReferenceEqualityComparer.Instance).Where(target => !sites.ContainsKey(target.Key)))
                added.Add(new AdapterSite(this, target));
            // Hooks change what a call of the module enumerates.
            if (added.Exists(site => site.NeedsHook)) gate.Change(nameof(Add), () => added.ForEach(site => site.Attach()));
            else added.ForEach(site => site.Attach());
        }
        catch
        {
            foreach (var site in added) site.Dispose();
            adapter.Release();
            gate.TryChange(RestoreLayers);
            throw;
        }
        lock (guard)
        {
            var all = new Dictionary<object, AdapterSite>(sites, ReferenceEqualityComparer.Instance);
            foreach (var site in added) all.Add(site.Target.Key, site);
            sites = all;
            adapters = new(adapters) { [name] = adapter };
            version++;
        }
    }

    private void RemoveSites(Func<AdapterSite, bool> which)
    {
        var all = new Dictionary<object, AdapterSite>(ReferenceEqualityComparer.Instance);
        foreach (var (key, site) in sites)
            if (which(site)) site.Dispose();
            else all.Add(key, site);
        lock (guard)
        {
            sites = all;
            version++;
        }
    }

    private void Detach()
    {
        lock (guard)
        {
            foreach (var scope in scopes) scope.End();
            scopes.Clear();
            state?.Release();
            state = null;
            foreach (var adapter in adapters.Values) adapter.Release();
            (adapters, active, composition) = ([], [], null);
            isUnloaded = true;
        }
        RemoveSites(_ => true);
        RestoreLayers();
        foreach (var (name, parameter) in Module.named_parameters())
            if (frozen.Contains(name)) parameter.requires_grad = true;
        Adapted.Remove(Module);
    }

    // The adapters that are left may have been made for the layers as they are.
    private void RestoreLayers()
    {
        if (adapters.Count > 0 || Scoped().Count > 0) return;
        RestoreTask();
        if (!layers.IsSet) return;
        layers.Dispose();
        Tree = new ModelTree(Module);
    }

    // Adapters that open scopes go on with, whether the model still has them or not.
    private List<Adapter> Scoped()
    {
        lock (guard) return [.. scopes.SelectMany(scope => scope.Named)];
    }

    private void Changed()
    {
        lock (guard) version++;
    }

    internal void RequireLoaded()
    {
        if (isUnloaded) throw new PeftException($"The adapters of this {Module.GetType().Name} were unloaded: this {nameof(PeftModel)} cannot be used any more. Give the model adapters again, with Apply… or a new {nameof(PeftModel)}.");
    }

    private void RequireNoScopes([CallerMemberName] string operation = "")
    {
        lock (guard)
            if (scopes.Find(scope => scope.Kind is nameof(Rows) or nameof(WithAdapters)) is { } open)
                throw new PeftException($"{operation} is not possible while a scope of {open.Kind} is open: it says what acts, which weights cannot follow. Dispose it first.");
    }

    private void RequireNoTraining([CallerMemberName] string operation = "")
    {
        if (trainingRuns > 0) throw new PeftException($"{operation} is not possible while the model is trained: wait for the run's end, or cancel it. In a callback, use a scope such as {nameof(WithAdapters)} or {nameof(WithoutAdapters)}.");
    }

    private void RequireUnused(Adapter adapter, [CallerMemberName] string operation = "")
    {
        if (active.Contains(adapter.Name)) RequireNoTraining(operation);
        if (adapters.Values.FirstOrDefault(other => other.Parts.Contains(adapter)) is { } user)
            throw new PeftException($"{operation} is not possible: the adapter '{user.Name}' ({user.Options.PeftType}) is made of '{adapter.Name}'. Delete('{user.Name}') first.");
    }

    private void RequireFree(string name)
    {
        AdapterName.Require(name);
        if (adapters.ContainsKey(name))
            throw new AdapterExistsException($"There is an adapter '{name}' already. Choose another name, or Delete('{name}') first.");
    }

    private void RequireUnmerged([CallerMemberName] string operation = "")
    {
        if (IsMerged) throw new PeftException($"{operation} is not possible while adapters are merged into the weights: Unmerge() first.");
    }

    private sealed class Scope(Action end) : IDisposable
    {
        private Action? end = end;

        public void Dispose()
        {
            end?.Invoke();
            end = null;
        }
    }
}
