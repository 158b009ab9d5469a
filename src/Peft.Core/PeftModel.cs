using System.Runtime.CompilerServices;
using static TorchSharp.torch;

namespace Peft;

/// <summary>
/// A model with adapters. The model itself is adapted in place and used as before; its own weights are frozen. Disposing this
/// unloads the adapters and leaves the model as it was, bit for bit.
/// </summary>
/// <remarks>Not safe for concurrent use while adapters are added, activated or merged; concurrent forward passes are.</remarks>
public sealed class PeftModel : ITrainable, IDisposable
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
            plan = options.Plan(Tree);
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

    /// <summary>Makes adapters active, and them alone trainable. The first is innermost: it sees the module itself.</summary>
    /// <exception cref="AdapterNotFoundException">There is no adapter of a name.</exception>
    public void Activate(params string[] names)
    {
        ArgumentNullException.ThrowIfNull(names);
        Activate(names.Length == 0 ? null : Composition.Stack([.. names.Select(name => (Composition)name)]));
    }

    /// <summary>Makes a composition of adapters active, and them alone trainable; none if null.</summary>
    /// <exception cref="AdapterNotFoundException">There is no adapter of a name.</exception>
    /// <exception cref="ArgumentException">An adapter stands in it twice.</exception>
    public void Activate(Composition? adapters)
    {
        List<string> names = [.. adapters?.Names ?? []];
        foreach (var name in names) Find(name);
        if (names.Distinct().Count() < names.Count) throw new ArgumentException($"An adapter can be active once, but these are {string.Join(", ", names)}.", nameof(adapters));
        if (adapters?.IsStack == false && names.Find(name => Find(name).Prompt is not null) is { } prompt)
            throw new ArgumentException($"'{prompt}' puts virtual tokens before the input, which a composition other than a stack has no place for.", nameof(adapters));
        RequireUnmerged();
        (active, composition) = (names, adapters);
        Refresh();
    }

    /// <summary>
    /// Leaves the adapters out of some layers until the result is disposed, which saves their time there (AdapterDrop, Rücklé et al. 2020,
    /// arXiv:2010.11918).
    /// </summary>
    /// <param name="layers">Numbers of the layers: the first numbers in the paths of their modules.</param>
    public IDisposable WithoutAdaptersIn(params IReadOnlyCollection<int> layers)
    {
        ArgumentNullException.ThrowIfNull(layers);
        RequireUnmerged();
        var before = dropped;
        dropped = target => before?.Invoke(target) == true || (target.Layer is { } number && layers.Contains(number));
        Refresh();
        return new Scope(() =>
        {
            dropped = before;
            Refresh();
        });
    }

    /// <summary>Keeps an adapter from being trained, active or not.</summary>
    /// <exception cref="AdapterNotFoundException">There is no adapter of that name.</exception>
    public void Freeze(string name) => SetTrainable(name, false);

    /// <summary>Lets a frozen adapter be trained again.</summary>
    /// <exception cref="AdapterNotFoundException">There is no adapter of that name.</exception>
    public void Unfreeze(string name) => SetTrainable(name, true);

    /// <summary>Switches all adapters off until the result is disposed: the model is then the base model.</summary>
    public IDisposable WithoutAdapters()
    {
        // Merged weights come off for the time, from the copy that was kept: bit for bit.
        var merged = IsMerged;
        if (merged) Unmerge();
        var before = enabled;
        enabled = false;
        Refresh();
        return new Scope(() =>
        {
            enabled = before;
            Refresh();
            if (merged) Merge();
        });
    }

    /// <summary>
    /// Gives each row of the batch an adapter of its own until the result is disposed. All inputs must then have that many rows.
    /// </summary>
    /// <param name="adapterPerRow">Names, or <see cref="Base"/> for none.</param>
    public IDisposable Rows(params string[] adapterPerRow)
    {
        ArgumentNullException.ThrowIfNull(adapterPerRow);
        RequireUnmerged();
        string?[] names = [.. adapterPerRow.Select(name => name == Base ? null : Find(name).Name)];
        return UseRows(names);
    }

    /// <summary>Gives each row of <see cref="Rows"/> and <see cref="Tasks"/> so many copies, one after another, until the result is disposed.</summary>
    internal IDisposable RepeatRows(int copies)
    {
        var (ofRows, ofTasks) = (rows is null ? null : UseRows([.. rows.SelectMany(name => Enumerable.Repeat(name, copies))]), tasks is null || tasks.shape[0] == 1 ? null : UseTasks(tasks.repeat_interleave(copies)));
        return new Scope(() =>
        {
            ofRows?.Dispose();
            ofTasks?.Dispose();
        });
    }

    private Scope UseRows(string?[] names)
    {
        var before = rows;
        Use(names);
        return new Scope(() => Use(before));

        void Use(string?[]? chosen)
        {
            SetPrompts(chosen is null ? [PromptsOf(active)] : [.. chosen.Select(name => name is null ? [] : PromptsOf([name]))]);
            rows = chosen;
            foreach (var site in sites.Values) site.ActivatePerRow(chosen);
        }
    }

    /// <summary>Says which task each row of the batch belongs to until the result is disposed, for methods that share an adapter among tasks.</summary>
    /// <param name="taskPerRow">A number per row, from 0; one number for all rows.</param>
    public IDisposable Tasks(params IReadOnlyList<int> taskPerRow)
    {
        ArgumentNullException.ThrowIfNull(taskPerRow);
        if (taskPerRow.Count == 0 || taskPerRow.Any(task => task < 0)) throw new ArgumentException($"Tasks are numbers from 0, one for each row or one for all, but were [{string.Join(", ", taskPerRow)}].", nameof(taskPerRow));
        return UseTasks(tensor(taskPerRow.Select(task => (long)task).ToArray()));
    }

    private Scope UseTasks(Tensor given)
    {
        var before = tasks;
        tasks = given.DetachFromDisposeScope();
        return new Scope(() =>
        {
            tasks = before;
            given.Dispose();
        });
    }

    /// <summary>The task of each row, <c>[rows]</c>, or of all, <c>[1]</c>; null outside of <see cref="Tasks"/>.</summary>
    public Tensor? TaskIds => tasks;

    /// <summary>
    /// Lets passes without gradients use the active adapters folded into copies of the weights until the result is disposed, where those
    /// copies are small: for generation, which runs many passes over the same weights. Adapters must not change meanwhile.
    /// </summary>
    /// <param name="maximumBytes">How large all copies together may be; beyond that, or where an adapter cannot be folded, nothing happens.</param>
    public IDisposable ForInference(long maximumBytes = 128L << 20)
    {
        var used = sites.Values.Where(site => !site.Active.IsEmpty).ToList();
        var fits = used.Sum(site => site.Target.Weight.numel() * site.Target.Weight.ElementSize) <= maximumBytes
                   && used.All(site => site.Target.Weight.dtype is not (ScalarType.Float16 or ScalarType.BFloat16) && site.Active.ToArray().All(layer => layer.CostPerPosition > 0));
        if (!fits) used.Clear();
        foreach (var site in used) site.KeepFolded();
        return new Scope(() => { foreach (var site in used) site.ReleaseFolded(); });
    }

    /// <summary>Shows the inputs of adapted modules as the model runs, until the result is disposed: for starts that depend on data.</summary>
    /// <param name="observer">Called with the module and its input, which it must not keep.</param>
    public IDisposable Observe(Action<Target, Tensor> observer)
    {
        foreach (var site in sites.Values) site.Observer = input => observer(site.Target, input);
        return new Scope(() => { foreach (var site in sites.Values) site.Observer = null; });
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

    /// <inheritdoc/>
    public IReadOnlyList<TrainableTensor> Trainables
        => [.. active.Select(Find).Where(adapter => !adapter.IsFrozen).SelectMany(adapter => adapter.Tensors.Where(pair => pair.Tensor.IsTrainable)
            .Select(pair => new TrainableTensor(active.Count == 1 ? pair.Key : $"{adapter.Name}/{pair.Key}", pair.Tensor.Value)))];

    /// <inheritdoc/>
    public IReadOnlyList<string> Unreached
        => [.. sites.Values.Where(site => !site.Reached && !site.Active.IsEmpty).Select(site => site.Target.Path)];

    /// <inheritdoc/>
    public IReadOnlyList<string> Warnings => [.. active.SelectMany(name => Find(name).Warnings)];

    /// <summary>Saves the active adapters, each as <see cref="AdapterCheckpoint.SaveAdapter"/> does.</summary>
    public void Save(string folder)
    {
        foreach (var name in active) this.SaveAdapter(folder, name);
    }

    /// <inheritdoc/>
    public Tensor? Penalty()
    {
        Tensor? sum = null;
        foreach (var part in Parts<IPenalty>())
            sum = part.Penalty() is { } penalty ? (sum is null ? penalty : sum.add(penalty)) : sum;
        return sum;
    }

    /// <inheritdoc/>
    public void AfterStep(int step, int totalSteps)
    {
        foreach (var part in Parts<ITrainingSchedule>()) part.AfterStep(step, totalSteps);
    }

    private IEnumerable<T> Parts<T>()
        => active.Select(Find).SelectMany(adapter => adapter.Layers.Cast<object?>().Append(adapter.Shared).Append(adapter.Prompt).OfType<T>());

    /// <summary>Whether an active adapter lets positions see each other (<see cref="AdapterLayer.MixesPositions"/>).</summary>
    public bool MixesPositions => active.SelectMany(name => Find(name).Layers).Any(layer => layer.MixesPositions);

    /// <summary>
    /// Whether rows of a batch may run in passes of their own at the same time: no row was given an adapter or a task, and no active layer
    /// depends on the batch (<see cref="AdapterLayer.DependsOnBatch"/>).
    /// </summary>
    public bool RowsAreIndependent
    {
        get
        {
            if (rows is not null || tasks is not null) return false;
            foreach (var site in sites.Values)
            {
                // A lent parameter stands in its module while a pass runs.
                if (site.Target.IsParameter && site.Active.Length > 0) return false;
                foreach (var layer in site.Active)
                    if (layer.DependsOnBatch) return false;
            }
            return true;
        }
    }

    /// <summary>What the model's next pass asks for a pass before it.</summary>
    internal IReadOnlyList<IReadsFirstPass> FirstPassReaders
        => !enabled ? [] : [.. (rows?.OfType<string>().Distinct() ?? active).Select(name => Find(name).Shared).OfType<IReadsFirstPass>()];

    /// <inheritdoc/>
    public double RecommendedLearningRate => active.Select(name => Find(name).Options.LearningRateFor(Tree.InputEmbeddings?.Weight.shape[^1])).DefaultIfEmpty(1e-4).Min();

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, Tensor> TrainingState
        => active.Select(Find).SelectMany(adapter => adapter.Tensors.Where(pair => pair.Tensor.IsState).Select(pair => (Key: $"{adapter.Name}/{pair.Key}", Value: (Tensor)pair.Tensor.Value)))
            .ToDictionary(pair => pair.Key, pair => pair.Value);

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

    private IReadOnlyList<PromptLayer> PromptsOf(IEnumerable<string> names) => [.. names.Select(name => Find(name).Prompt).OfType<PromptLayer>()];

    private void SetPrompts(params IReadOnlyList<PromptLayer>[] rows)
    {
        if (Module is IPromptedModel model) model.Prompts = enabled && rows.Any(row => row.Count > 0) ? new PromptStack(this, rows) : null;
    }

    // The adapters that are left may have been made for the layers as they are.
    private void RestoreLayers()
    {
        if (adapters.Count > 0 || !layers.IsSet) return;
        layers.Dispose();
        Tree = new ModelTree(Module);
    }

    private void Refresh()
    {
        SetPrompts(PromptsOf(active));
        layers.Activate(enabled && active.Count > 0);
        foreach (var site in sites.Values) site.Activate(enabled && dropped?.Invoke(site.Target) != true ? composition : null);
        foreach (var adapter in adapters.Values)
        {
            var on = active.Contains(adapter.Name) && !adapter.IsFrozen;
            foreach (var (_, tensor) in adapter.Tensors.Where(pair => pair.Tensor.IsTrainable)) tensor.Value.requires_grad = on;
        }
    }

    private void SetTrainable(string name, bool trainable)
    {
        Find(name).IsFrozen = !trainable;
        Refresh();
    }

    private void RequireFree(string name)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        if (name == Base) throw new ArgumentException($"'{Base}' stands for the model without adapters: choose another name.", nameof(name));
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
