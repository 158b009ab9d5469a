using System.Runtime.CompilerServices;
using static TorchSharp.torch;

namespace Peft;

/// <summary>
/// A model with adapters. The model is adapted in place and used as before; its base weights are frozen. Disposing the <see cref="PeftModel"/>
/// unloads the adapters and restores the model bit for bit.
/// </summary>
/// <remarks>
/// Thread-safe. A forward pass or generation uses the adapters as they were when it began, until it ends: they stay alive until then, even if they are deleted,
/// renamed or swapped meanwhile. <see cref="Merge"/>, <see cref="Unmerge"/>, <see cref="Unload"/> and the first adaptation of another library's module wait for
/// running passes and generations. Scopes such as <see cref="Rows"/> and <see cref="WithAdapters(string[])"/> belong to the asynchronous flow that opened
/// them (a thread, and what it awaits or starts). They nest in any order; the innermost takes precedence. During training, changes that would affect the run
/// throw an exception.
/// </remarks>
[TypeFormatterSource(typeof(PeftModelDisplay))]
public sealed partial class PeftModel : ITrainable, IDisposable
{
    /// <summary>The name of an adapter if none is given.</summary>
    public const string DefaultName = "default";

    /// <summary>The base model, without adapters, as a name in <see cref="Rows"/>.</summary>
    public const string Base = "__base__";

    private static readonly ConditionalWeakTable<nn.Module, PeftModel> Adapted = [];

    private readonly HashSet<string> frozen = [];   // by name, since changing a module's dtype or device creates new parameters
    private readonly Lock changes = new();          // serializes changes without blocking passes
    private readonly WeightMerging merging;
    private readonly LayerArrangement layers;
    // Replaced, never modified, so that they can be read without a lock.
    private Dictionary<object, AdapterSite> sites = new(ReferenceEqualityComparer.Instance);
    private Dictionary<string, Adapter> adapters = [];
    private List<string> active = [];
    private Composition? composition;
    private bool isUnloaded;
    private int trainingRuns;

    /// <summary>Freezes a model and prepares it for adapters.</summary>
    /// <exception cref="AdapterExistsException">The model already has adapters.</exception>
    public PeftModel(nn.Module model)
    {
        ArgumentNullException.ThrowIfNull(model);
        if (Of(model) is { } existing)
            throw new AdapterExistsException(
                $"This {model.GetType().Name} already has adapters ({string.Join(", ", existing.adapters.Keys)}). " +
                $"Add another one to the same {nameof(PeftModel)} with Add(name, options), or dispose it first.");
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

    /// <summary>The model's modules by path.</summary>
    public ModelTree Tree { get; private set; }

    /// <summary>All adapters by name.</summary>
    public IReadOnlyDictionary<string, Adapter> Adapters => adapters;

    /// <summary>Names of the active adapters, the innermost first.</summary>
    public IReadOnlyList<string> Active => active;

    /// <summary>Finds the <see cref="PeftModel"/> of a model; null if it has no adapters.</summary>
    public static PeftModel? Of(nn.Module model) => Adapted.TryGetValue(model, out var peft) ? peft : null;

    /// <summary>Adds an adapter. The first one becomes active immediately; others become active when <see cref="Activate(string[])"/> is called.</summary>
    /// <param name="name">Name of the adapter.</param>
    /// <param name="options">Options of the adapter's method.</param>
    /// <param name="prepare">Sets the adapter's values before it is added; null to keep the initial values. If it throws, the model is unchanged.</param>
    /// <returns>This model.</returns>
    /// <exception cref="AdapterNameException">The name is not valid as a folder name, or is reserved.</exception>
    /// <exception cref="AdapterExistsException">The name is taken.</exception>
    /// <exception cref="AdapterOptionsException">The options are invalid.</exception>
    /// <exception cref="TargetNotFoundException">A name in the options matches no module.</exception>
    public PeftModel Add(string name, AdapterOptions options, Action<Adapter>? prepare = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        lock (changes)
        {
            RequireLoaded();
            RequireFree(name);
            Attach(name, Make(name, options, prepare));
            SetRequiresGrad();
            if (active.Count == 0) Activate(name);
        }
        return this;
    }

    /// <summary>Replaces an adapter when the new one is ready. Running passes finish with the old one.</summary>
    internal void Exchange(string name, AdapterOptions options, Action<Adapter> prepare)
    {
        lock (changes)
        {
            var old = Find(name);
            RequireUnused(old, "HotSwap");
            RequireUnmerged("HotSwap");
            var next = Make(name, options, prepare);
            next.IsFrozen = old.IsFrozen;
            Attach(name, next);
            SetRequiresGrad();
            lock (guard) old.Release();
        }
    }

    /// <summary>Removes an adapter. If it was active, no other one becomes active. Running passes and open scopes that use it finish with it.</summary>
    /// <exception cref="AdapterNotFoundException">There is no adapter of that name.</exception>
    /// <exception cref="PeftException">Adapters are merged, another adapter uses it, or it is being trained.</exception>
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
            // If passes are running, the hooks stay until the next change, without effect.
            gate.TryChange(() =>
            {
                List<Adapter> used = [.. adapters.Values, .. Scoped()];
                RemoveSites(site => used.TrueForAll(other => other.At(site.Target).Length == 0));
                RestoreLayers();
            });
        }
    }

    /// <summary>Renames an adapter.</summary>
    /// <exception cref="AdapterNameException">The new name is not valid as a folder name, or is reserved.</exception>
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

    /// <summary>Finds an adapter by name.</summary>
    /// <exception cref="AdapterNotFoundException">There is no adapter of that name.</exception>
    /// <exception cref="PeftException">The adapters were unloaded.</exception>
    public Adapter Find(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        RequireLoaded();
        return adapters.GetValueOrDefault(name) ?? throw new AdapterNotFoundException(
            $"There is no adapter '{name}'. The adapters of this model are: {(adapters.Count == 0 ? "none" : string.Join(", ", adapters.Keys))}.");
    }

    internal IReadOnlyCollection<AdapterSite> Sites => sites.Values;

    internal WeightStorage BaseOf(WeightStorage weight) => merging.BaseOf(weight);

    internal AdapterSite? SiteOf(Target target) => sites.GetValueOrDefault(target.Key);

    /// <summary>Returns the active layers at a module, regardless of open scopes, including merged layers.</summary>
    internal AdapterLayer[] ActiveAt(AdapterSite site) => [.. composition?.At(site.Target, name => Find(name).At(site.Target)) ?? []];

    internal void RequireLoaded()
    {
        if (isUnloaded) throw new PeftException($"The adapters of this {Module.GetType().Name} were unloaded: this {nameof(PeftModel)} can no longer be used. Add adapters to the model again, with Apply… or a new {nameof(PeftModel)}.");
    }

    private void RequireNoScopes([CallerMemberName] string operation = "")
    {
        lock (guard)
            if (scopes.Find(scope => scope.Kind is nameof(Rows) or nameof(WithAdapters)) is { } open)
                throw new PeftException($"{operation} is not possible while a scope of {open.Kind} is open: merged weights cannot depend on a scope. Dispose it first.");
    }

    private void RequireNoTraining([CallerMemberName] string operation = "")
    {
        if (trainingRuns > 0) throw new PeftException($"{operation} is not possible while the model is being trained: wait for the end of the run, or cancel it. In a callback, use a scope such as {nameof(WithAdapters)} or {nameof(WithoutAdapters)}.");
    }

    private void RequireUnused(Adapter adapter, [CallerMemberName] string operation = "")
    {
        if (active.Contains(adapter.Name)) RequireNoTraining(operation);
        if (adapters.Values.FirstOrDefault(other => other.Parts.Contains(adapter)) is { } user)
            throw new PeftException($"{operation} is not possible: the adapter '{user.Name}' ({user.Options.PeftType}) uses '{adapter.Name}'. Delete('{user.Name}') first.");
    }

    private void RequireFree(string name)
    {
        AdapterName.Require(name);
        if (adapters.ContainsKey(name))
            throw new AdapterExistsException($"There is already an adapter '{name}'. Choose another name, or Delete('{name}') first.");
    }

    private void RequireUnmerged([CallerMemberName] string operation = "")
    {
        if (IsMerged) throw new PeftException($"{operation} is not possible while adapters are merged into the weights: call Unmerge() first.");
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
