namespace Peft;

// Which adapters act where no scope says otherwise, and which are trained.
public sealed partial class PeftModel
{
    /// <summary>Makes adapters active, and them alone trainable. The first is innermost: it sees the module itself.</summary>
    /// <exception cref="AdapterNotFoundException">There is no adapter of a name.</exception>
    /// <exception cref="PeftException">Adapters are merged, or a training run goes on.</exception>
    public void Activate(params string[] names)
    {
        ArgumentNullException.ThrowIfNull(names);
        Activate(names.Length == 0 ? null : Composition.Stack([.. names.Select(name => (Composition)name)]));
    }

    /// <summary>Makes a composition of adapters active, and them alone trainable; none if null.</summary>
    /// <exception cref="AdapterNotFoundException">There is no adapter of a name.</exception>
    /// <exception cref="ArgumentException">An adapter stands in it twice.</exception>
    /// <exception cref="PeftException">Adapters are merged, a module cannot do what the composition asks, or a training run goes on.</exception>
    public void Activate(Composition? adapters)
    {
        lock (changes)
        {
            RequireLoaded();
            RequireUnmerged();
            RequireNoTraining();
            lock (guard)
            {
                var named = Named(adapters);
                var draft = new PassDraft();
                draft.Use(adapters, named);
                var next = new PassState(this, draft);   // refuses what cannot be before anything changes
                (active, composition) = ([.. named.Keys], adapters);
                version++;
                state?.Release();
                (state, stateVersion) = (next, version);
            }
            SetLearning();
        }
    }

    /// <summary>Keeps an adapter from being trained, active or not.</summary>
    /// <exception cref="AdapterNotFoundException">There is no adapter of that name.</exception>
    public void Freeze(string name) => SetTrainable(name, false);

    /// <summary>Lets a frozen adapter be trained again.</summary>
    /// <exception cref="AdapterNotFoundException">There is no adapter of that name.</exception>
    public void Unfreeze(string name) => SetTrainable(name, true);

    private void SetTrainable(string name, bool trainable)
    {
        lock (changes)
        {
            var adapter = Find(name);
            if (active.Contains(name)) RequireNoTraining(trainable ? nameof(Unfreeze) : nameof(Freeze));
            adapter.IsFrozen = !trainable;
            SetLearning();
        }
    }

    private void SetLearning()
    {
        foreach (var adapter in adapters.Values)
        {
            var learns = active.Contains(adapter.Name) && !adapter.IsFrozen;
            foreach (var (_, tensor) in adapter.Tensors.Where(pair => pair.Tensor.IsTrainable)) tensor.Value.requires_grad = learns;
        }
    }
}
