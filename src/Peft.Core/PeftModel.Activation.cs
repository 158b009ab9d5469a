using static TorchSharp.torch;

namespace Peft;

// Which adapters act, on what, and for how long.
public sealed partial class PeftModel
{
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

    private IReadOnlyList<PromptLayer> PromptsOf(IEnumerable<string> names) => [.. names.Select(name => Find(name).Prompt).OfType<PromptLayer>()];

    private void SetPrompts(params IReadOnlyList<PromptLayer>[] rows)
    {
        if (Module is IPromptedModel model) model.Prompts = enabled && rows.Any(row => row.Count > 0) ? new PromptStack(this, rows) : null;
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
}
