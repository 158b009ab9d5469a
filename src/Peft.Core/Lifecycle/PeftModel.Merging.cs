using static TorchSharp.torch;

namespace Peft;

// Merges adapters into the weights and unloads them.
public sealed partial class PeftModel
{
    /// <summary>True while adapters are merged into the weights.</summary>
    public bool IsMerged => merging.IsMerged;

    /// <summary>The rounding error of each quantized weight in the last merge; empty for a float model.</summary>
    public IReadOnlyList<MergeError> MergeErrors => merging.Errors;

    /// <summary>
    /// Merges the active adapters into the weights, so that the model runs at the speed of the base model. A copy of the base weights is kept.
    /// </summary>
    /// <param name="safe">True to reject merged weights that are not finite. The model is then unchanged.</param>
    /// <exception cref="NotMergeableException">
    /// An active adapter cannot be merged, a weight is shared with a module that is not adapted in the same way, or a merged weight is not finite.
    /// </exception>
    /// <exception cref="PeftException">A scope such as <see cref="Rows"/> is open, in this or another asynchronous flow, or the model is being trained.</exception>
    public void Merge(bool safe = false)
    {
        lock (changes)
        {
            RequireLoaded();
            RequireNoScopes();
            RequireNoTraining();
            ChangeWeights(nameof(Merge), () =>
            {
                RequireNoScopes(nameof(Merge));   // one may have been opened while earlier passes ended
                merging.Merge(keep: true, safe);
                WarnOfErrors();
            });
        }
    }

    /// <summary>Restores the base weights bit for bit.</summary>
    /// <exception cref="PeftException">No adapters are merged.</exception>
    public void Unmerge()
    {
        lock (changes)
        {
            RequireLoaded();
            ChangeWeights(nameof(Unmerge), merging.Unmerge);
        }
    }

    /// <summary>Merges the active adapters into the weights permanently, removes all adapters, and returns the plain model.</summary>
    /// <param name="safe">True to reject merged weights that are not finite. The model is then unchanged.</param>
    /// <param name="dequantize">
    /// True to dequantize all weights of the model to float parameters first, so that the merged model equals the trained one. By default, merged
    /// values are quantized again, which rounds them (<see cref="MergeErrors"/>). No effect on a float model.
    /// </param>
    /// <exception cref="NotMergeableException">As for <see cref="Merge"/>.</exception>
    /// <exception cref="PeftException">As for <see cref="Merge"/>.</exception>
    public nn.Module MergeAndUnload(bool safe = false, bool dequantize = false)
    {
        lock (changes)
        {
            RequireLoaded();
            RequireNoScopes();
            RequireNoTraining();
            ChangeWeights(nameof(MergeAndUnload), () =>
            {
                RequireNoScopes(nameof(MergeAndUnload));
                if (layers.IsSet) throw new NotMergeableException("The adapter runs the model's layers in another order, which is not possible in a plain model: use the adapter unmerged.");
                if (IsMerged && dequantize) merging.Unmerge();
                if (IsMerged) merging.Forget();
                else merging.Merge(keep: false, safe, dequantize);
                WarnOfErrors();
                AdoptTask();
                Detach();
            });
        }
        return Module;
    }

    /// <summary>Removes all adapters and returns the base model. Its parameters require gradients again if they did before. Open scopes end.</summary>
    /// <exception cref="PeftException">The model is being trained.</exception>
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

    /// <summary>Unloads the adapters. The model itself is not disposed.</summary>
    /// <exception cref="PeftException">The model is being trained.</exception>
    public void Dispose() => Unload();

    private void WarnOfErrors()
    {
        if (MergeErrors.Count(error => error.Relative > MergeError.Bound) is not (> 0 and var count)) return;
        var worst = MergeErrors.MaxBy(error => error.Relative)!;
        var warning = string.Create(System.Globalization.CultureInfo.InvariantCulture,
            $"Merging into quantized weights rounded {count} of {MergeErrors.Count} by more than {MergeError.Bound:P0} of the adapter's update, {worst.Path} by {worst.Relative:P0}: MergeAndUnload(dequantize: true) keeps the full update.");
        foreach (var name in active) Find(name).Warnings = [.. Find(name).Warnings, warning];
    }

    // No pass runs during the change. Passes and scopes that begin later use the changed model.
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
