using TorchSharp;
using static TorchSharp.torch;

namespace Peft;

// Restarts adapters during training (ReLoRA).
public sealed partial class PeftModel
{
    private bool restarts;

    /// <summary>
    /// True if restarts during training (<see cref="TrainingOptions.Restarts"/>) have merged updates into the base weights. The adapters alone then lack a part of the training: merge them with
    /// <see cref="MergeAndUnload"/> and save the model.
    /// </summary>
    public bool HasRestarted { get; private set; }

    private IEnumerable<AdapterLayer> RestartingLayers => active.Select(Find).SelectMany(adapter => adapter.Layers).Where(layer => layer is IRestarts);

    /// <summary>Reasons that training cannot restart the active adapters; empty if it can.</summary>
    internal IEnumerable<string> RestartErrors()
    {
        const string prefix = "Restarts merge LoRA into the base weights, but";
        if (active.Count != 1 || adapters.Count != 1)
        {
            yield return $"{prefix} the model has the adapters {string.Join(", ", adapters.Keys)}, {(active.Count == 1 ? "and the inactive ones fit only the current base weights" : "which would have to be merged together")}: train a single adapter.";
            yield break;
        }
        if (!RestartingLayers.Any()) yield return $"{prefix} the adapter '{active[0]}' ({Find(active[0]).Options.PeftType}) has no LoRA: use a LoRA adapter.";
        if (Find(active[0]).Prompt is not null) yield return $"{prefix} the adapter '{active[0]}' has virtual tokens, which cannot be merged.";
        foreach (var layer in Find(active[0]).Layers.Where(layer => layer is not FullLayer))
        {
            var reason = layer is not IRestarts restarting ? $"is adapted by {layer.GetType().Name}, which cannot be restarted"
                : restarting.RestartError ?? (layer.Target.Storage.Parameter is null ? $"has a weight that is stored as {layer.Target.Storage.GetType().Name}, which cannot be changed"
                : layer.Target.IsParameter || Tree.TiedWith(layer.Target).Any() ? "has a weight that is also used elsewhere" : null);
            if (reason is not null) yield return $"{prefix} {layer.Target.Path} {reason}: exclude it, or train without restarts.";
        }
    }

    /// <summary>Includes the base weights that restarts change in checkpoints, until the result is disposed.</summary>
    internal IDisposable BeginRestarts()
    {
        restarts = true;
        return new Scope(() => restarts = false);
    }

    /// <summary>Records that a resumed run has restarted before.</summary>
    internal void ResumeRestarted() => HasRestarted = true;

    /// <summary>Merges the active adapter's LoRA into the base weights and initializes it again. The model's outputs stay the same up to rounding.</summary>
    internal void Restart() => gate.Change(nameof(Restart), () =>
    {
        using var _ = no_grad();
        foreach (var layer in RestartingLayers)
        {
            using var scope = NewDisposeScope();
            var target = layer.Target;
            var wide = AdapterSite.IsNarrow(target.ComputeType) ? ScalarType.Float32 : target.ComputeType;
            var merged = AdapterSite.Fold(target, [layer], new Weights(target.ReadMatrix(wide), null));
            target.Storage.Parameter!.copy_(target.ToStored(merged.Weight));
            ((IRestarts)layer).Restart();
        }
        HasRestarted = true;
    });

    /// <summary>Names of the trainable tensors that a restart initializes.</summary>
    internal HashSet<string> RestartedNames
    {
        get
        {
            var tensors = RestartingLayers.SelectMany(layer => layer.Tensors).Select(tensor => tensor.Value).ToHashSet(ReferenceEqualityComparer.Instance);
            return [.. Trainables.Where(tensor => tensors.Contains(tensor.Value)).Select(tensor => tensor.Name)];
        }
    }

    // The base weights by path.
    private IEnumerable<(string Key, Tensor Value)> RestartState
        => restarts ? RestartingLayers.Select(layer => ($"base/{layer.Target.Path}.weight", (Tensor)layer.Target.Storage.Parameter!)) : [];

    /// <exception cref="PeftException">Restarts have changed the base weights.</exception>
    internal void RequireOwnBase()
    {
        if (HasRestarted) throw new PeftException("Restarts during training have merged updates into the base weights, so the adapter alone lacks a part of the training, and another adapter would not fit: call MergeAndUnload, then save the model with SavePretrained, or add adapters to it.");
    }
}
