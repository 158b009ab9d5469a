namespace Peft;

// Activation and freezing of adapters.
public sealed partial class PeftModel
{
    /// <summary>Activates adapters and makes only them trainable. The first is innermost: it wraps the base module.</summary>
    /// <exception cref="AdapterNotFoundException">There is no adapter of that name.</exception>
    /// <exception cref="PeftException">Adapters are merged, or the model is being trained.</exception>
    public void Activate(params string[] names)
    {
        ArgumentNullException.ThrowIfNull(names);
        Activate(names.Length == 0 ? null : Composition.Stack([.. names.Select(name => (Composition)name)]));
    }

    /// <summary>Activates a composition of adapters and makes only them trainable. Null deactivates all.</summary>
    /// <exception cref="AdapterNotFoundException">There is no adapter of that name.</exception>
    /// <exception cref="ArgumentException">The composition contains an adapter twice.</exception>
    /// <exception cref="PeftException">Adapters are merged, a module does not support the composition, or the model is being trained.</exception>
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
                var draft = new PassBuilder();
                draft.Use(adapters, named);
                var next = new PassState(this, draft);   // throws for an impossible composition before anything changes
                (active, composition) = ([.. named.Keys], adapters);
                version++;
                state?.Release();
                (state, stateVersion) = (next, version);
            }
            SetRequiresGrad();
        }
    }

    /// <summary>Freezes an adapter, whether it is active or not.</summary>
    /// <exception cref="AdapterNotFoundException">There is no adapter of that name.</exception>
    public void Freeze(string name) => SetTrainable(name, false);

    /// <summary>Makes a frozen adapter trainable again.</summary>
    /// <exception cref="AdapterNotFoundException">There is no adapter of that name.</exception>
    public void Unfreeze(string name) => SetTrainable(name, true);

    private void SetTrainable(string name, bool trainable)
    {
        lock (changes)
        {
            var adapter = Find(name);
            if (active.Contains(name)) RequireNoTraining(trainable ? nameof(Unfreeze) : nameof(Freeze));
            adapter.IsFrozen = !trainable;
            SetRequiresGrad();
        }
    }

    private void SetRequiresGrad()
    {
        foreach (var adapter in adapters.Values)
        {
            var trainable = active.Contains(adapter.Name) && !adapter.IsFrozen;
            foreach (var (_, tensor) in adapter.Tensors.Where(pair => pair.Tensor.IsTrainable)) tensor.Value.requires_grad = trainable;
        }
    }
}
