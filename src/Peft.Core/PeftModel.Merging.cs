using static TorchSharp.torch;

namespace Peft;

// How adapters become part of the weights, and how all of them leave the model.
public sealed partial class PeftModel
{
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
            ChangeWeights(nameof(Merge), () =>
            {
                RequireNoScopes(nameof(Merge));   // one may have opened while the passes before it ended
                merging.Merge(keep: true, safe);
            });
        }
    }

    /// <summary>Puts the base weights back, bit for bit.</summary>
    /// <exception cref="PeftException">No adapters are merged.</exception>
    public void Unmerge()
    {
        lock (changes)
        {
            RequireLoaded();
            ChangeWeights(nameof(Unmerge), merging.Unmerge);
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
            ChangeWeights(nameof(MergeAndUnload), () =>
            {
                RequireNoScopes(nameof(MergeAndUnload));
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
            ChangeWeights(nameof(Unload), () =>
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

    // No pass runs meanwhile, none begins and no scope opens before it sees what the change has made of the model.
    private void ChangeWeights(string operation, Action change)
        => gate.Change(operation, () =>
        {
            lock (guard)
            {
                change();
                version++;
            }
        });
}
