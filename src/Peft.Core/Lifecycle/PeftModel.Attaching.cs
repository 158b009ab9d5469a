namespace Peft;

// Attaches adapters to modules and removes them, completely or not at all.
public sealed partial class PeftModel
{
    /// <summary>Finds an adapter and keeps its tensors alive until the result is disposed, even if the adapter is deleted meanwhile.</summary>
    internal IDisposable Hold(string name, out Adapter adapter)
    {
        lock (guard)
        {
            var held = adapter = Find(name);
            held.Retain();
            return new Scope(() => { lock (guard) held.Release(); });
        }
    }

    private Adapter Make(string name, AdapterOptions options, Action<Adapter>? prepare)
    {
        RequireUnmerged(nameof(Add));
        options.Validate();
        RequireOwnBase();
        Adapter? made = null;
        try
        {
            FitTask(name, options);
            var order = (options as IReplicatesLayers)?.LayerOrder;
            if (order is not null)
                gate.Change(nameof(Add), () =>
                {
                    if (layers.Arrange(order, adapters.Count > 0)) Tree = new ModelTree(Module);
                });
            AdapterPlan plan;
            using (new OwnSeed(options.InitializationSeed)) plan = TensorBudget.Plan(options, () => options.Plan(Tree));
            RequireTaskHead(name, plan);
            // As in Hugging Face PEFT, so that the adapter's file names its base model.
            if (plan.Options.BaseModelNameOrPath is null && Module is IPretrainedModel { NameOrPath: { } source })
                plan = plan with { Options = plan.Options with { BaseModelNameOrPath = source } };
            if (plan.Options.TaskType is null && Tree.TaskType is { } task) plan = plan with { Options = plan.Options with { TaskType = task } };
            if (plan.Options.Task is null && Module is ITaskModel { Task: { } description }) plan = plan with { Options = plan.Options with { Task = description } };
            made = new Adapter(name, plan)
            {
                Warnings = [.. BaseModelName.Warnings(name, options, Module), .. WarningsOf(options, plan).Select(warning => $"Adapter '{name}': {warning}")],
            };
            if (prepare is not null)
            {
                prepare(made);
                made.HasLearned = true;
            }
            return made;
        }
        catch
        {
            made?.Release();
            gate.TryChange(RestoreLayers);
            throw;
        }
    }

    private IEnumerable<string> WarningsOf(AdapterOptions options, AdapterPlan plan)
        => (options is TargetedOptions targeted ? TargetMatcher.UnmatchedNames(targeted, Tree) : [])
            .Concat((plan.Options as IWarns)?.Warnings([.. plan.Layers.Select(layer => layer.Target).Distinct()], Tree) ?? []);

    // Adds an adapter to the model. If that fails, the adapter is released.
    private void Attach(string name, Adapter adapter)
    {
        var added = new List<AdapterSite>();
        try
        {
            foreach (var target in adapter.Layers.Select(layer => layer.Target).DistinctBy(target => target.Key, ReferenceEqualityComparer.Instance).Where(target => !sites.ContainsKey(target.Key)))
                added.Add(new AdapterSite(this, target));
            // A hook changes the collection that a module enumerates during a call.
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

    // Remaining adapters may have been created for the current layer order.
    private void RestoreLayers()
    {
        if (adapters.Count > 0 || Scoped().Count > 0) return;
        RestoreTask();
        if (!layers.IsSet) return;
        layers.Dispose();
        Tree = new ModelTree(Module);
    }

    // Adapters of open scopes, including adapters that have been deleted.
    private List<Adapter> Scoped()
    {
        lock (guard) return [.. scopes.SelectMany(scope => scope.Named)];
    }
}
