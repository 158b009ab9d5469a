using System.Runtime.CompilerServices;
using static TorchSharp.torch;

namespace Peft;

/// <summary>
/// A model with adapters. The model itself is adapted in place and used as before; its own weights are frozen. Disposing this
/// unloads the adapters and leaves the model as it was, bit for bit.
/// </summary>
/// <remarks>Not safe for concurrent use while adapters are added, activated or merged; concurrent forward passes are.</remarks>
public sealed partial class PeftModel : ITrainable, IDisposable
{
    /// <summary>The name of an adapter that was given none.</summary>
    public const string DefaultName = "default";

    /// <summary>In <see cref="Rows"/>, a row that goes through the model without adapters.</summary>
    public const string Base = "__base__";

    private static readonly ConditionalWeakTable<nn.Module, PeftModel> Adapted = [];

    private readonly Dictionary<object, AdapterSite> sites = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<string, Adapter> adapters = [];
    private readonly HashSet<string> frozen = [];   // by name: a module that changes type or device makes new parameters
    private readonly WeightMerging merging;
    private readonly LayerArrangement layers;
    private List<string> active = [];
    private Composition? composition;
    private Func<Target, bool>? dropped;
    private bool enabled = true;
    private Tensor? tasks;
    private string?[]? rows;

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
        layers = new LayerArrangement(model);
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
    public PeftModel Add(string name, AdapterOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        RequireFree(name);
        RequireUnmerged();
        options.Validate();
        if (layers.Arrange(options.LayerOrder, adapters.Count > 0)) Tree = new ModelTree(Module);
        AdapterPlan plan;
        try
        {
            plan = options.PlanFor(Tree);
        }
        catch
        {
            RestoreLayers();
            throw;
        }
        // As Hugging Face PEFT does, so that whoever finds the adapter finds its model.
        if (plan.Options.BaseModelNameOrPath is null && Module is IPretrainedModel { NameOrPath: { } source })
            plan = plan with { Options = plan.Options with { BaseModelNameOrPath = source } };
        if (plan.Options.TaskType is null && Tree.TaskType is { } task) plan = plan with { Options = plan.Options with { TaskType = task } };
        Attach(new Adapter(name, plan)
        {
            Warnings = [.. BaseModelName.Warnings(name, options, Module), .. options is TargetedOptions targeted ? TargetMatcher.Idle(targeted, Tree).Select(idle => $"Adapter '{name}': {idle}") : []],
        });
        if (active.Count == 0) Activate(name);
        return this;
    }

    /// <summary>Removes an adapter. If it was active, no other takes its place.</summary>
    /// <exception cref="AdapterNotFoundException">There is no adapter of that name.</exception>
    public void Delete(string name)
    {
        RequireUnmerged();
        var adapter = Find(name);
        adapters.Remove(name);
        active.Remove(name);
        composition = composition?.Without(name);
        foreach (var (key, site) in sites.ToList())
        {
            site.Remove(name);
            if (site.Layers.Count > 0) continue;
            site.Dispose();
            sites.Remove(key);
        }
        adapter.Dispose();
        Refresh();
        RestoreLayers();
    }

    /// <summary>Gives an adapter another name.</summary>
    /// <exception cref="AdapterNameException">The new name cannot be that of a folder, or has a meaning of its own.</exception>
    /// <exception cref="AdapterExistsException">The new name is taken.</exception>
    /// <exception cref="AdapterNotFoundException">There is no adapter of the old name.</exception>
    public void Rename(string name, string newName)
    {
        if (name == newName) return;
        var adapter = Find(name);
        RequireFree(newName);
        foreach (var site in sites.Values) site.Rename(name, newName);
        adapters.Remove(name);
        adapter.Name = newName;
        adapters.Add(newName, adapter);
        active = [.. active.Select(each => each == name ? newName : each)];
        composition = composition?.Rename(name, newName);
    }

    /// <summary>The adapter of a name.</summary>
    /// <exception cref="AdapterNotFoundException">There is none.</exception>
    public Adapter Find(string name)
        => adapters.GetValueOrDefault(name) ?? throw new AdapterNotFoundException(
            $"There is no adapter '{name}'. The adapters of this model are: {(adapters.Count == 0 ? "none" : string.Join(", ", adapters.Keys))}.");

    /// <summary>Whether adapters are merged into the weights.</summary>
    public bool IsMerged => merging.IsMerged;

    /// <summary>
    /// Folds the active adapters into the weights, so that the model runs at the base model's speed. The base weights are kept.
    /// </summary>
    /// <param name="safe">Whether to refuse weights that are not finite. The model is then unchanged.</param>
    /// <exception cref="NotMergeableException">An active adapter cannot be expressed as weights, a weight is shared with a module that is not adapted alike, or a merged weight is not finite.</exception>
    public void Merge(bool safe = false) => merging.Merge(keep: true, safe);

    /// <summary>Puts the base weights back, bit for bit.</summary>
    public void Unmerge() => merging.Unmerge();

    /// <summary>Folds the active adapters into the weights for good, takes all adapters off, and gives back the plain model.</summary>
    /// <param name="safe">Whether to refuse weights that are not finite. The model is then unchanged.</param>
    /// <exception cref="NotMergeableException">As for <see cref="Merge"/>.</exception>
    public nn.Module MergeAndUnload(bool safe = false)
    {
        if (layers.IsSet) throw new NotMergeableException("The adapter runs the model's layers in another order, which a plain model cannot: use the adapter unmerged.");
        if (IsMerged) merging.Forget();
        else merging.Merge(keep: false, safe);
        Detach();
        return Module;
    }

    /// <summary>Takes all adapters off and gives the model back as it was before, its parameters trainable again where they were.</summary>
    public nn.Module Unload()
    {
        if (IsMerged) Unmerge();
        Detach();
        return Module;
    }

    /// <summary>Unloads the adapters; the model lives on.</summary>
    public void Dispose()
    {
        if (Of(Module) == this) Unload();
    }

    internal IEnumerable<AdapterSite> Sites => sites.Values;

    internal Tensor BaseOf(TorchSharp.Modules.Parameter parameter) => merging.BaseOf(parameter);

    internal AdapterSite? SiteOf(Target target) => sites.GetValueOrDefault(target.Key);

    private void Attach(Adapter adapter)
    {
        adapters.Add(adapter.Name, adapter);
        foreach (var group in adapter.Layers.GroupBy(layer => layer.Target))
        {
            if (!sites.TryGetValue(group.Key.Key, out var site)) sites.Add(group.Key.Key, site = new AdapterSite(group.Key));
            site.Add(adapter.Name, [.. group]);
        }
        Refresh();
    }

    private void Detach()
    {
        SetPrompts([]);
        foreach (var site in sites.Values) site.Dispose();
        foreach (var adapter in adapters.Values) adapter.Dispose();
        sites.Clear();
        adapters.Clear();
        (active, composition) = ([], null);
        RestoreLayers();
        foreach (var (name, parameter) in Module.named_parameters())
            if (frozen.Contains(name)) parameter.requires_grad = true;
        Adapted.Remove(Module);
    }

    // The adapters that are left may have been made for the layers as they are.
    private void RestoreLayers()
    {
        if (adapters.Count > 0 || !layers.IsSet) return;
        layers.Dispose();
        Tree = new ModelTree(Module);
    }

    private void RequireFree(string name)
    {
        AdapterName.Checked(name);
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
