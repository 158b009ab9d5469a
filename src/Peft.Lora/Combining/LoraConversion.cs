using Peft.Checkpoints;
using Peft.Lora;
using static TorchSharp.torch;

namespace Peft;

/// <summary>LoRA adapters in other forms, and exchanged while the model runs.</summary>
public static class LoraConversion
{
    /// <summary>
    /// Saves an adapter as a plain LoRA, which any reader applies to the unchanged base model. One whose factors started as a part of the
    /// base weight (PiSSA, OLoRA, CorDA), or that takes a part out of it (KaSA), gets twice the rank: A = [A; A₀], B = [B, −B₀].
    /// </summary>
    /// <param name="model">The model.</param>
    /// <param name="folder">The folder; it is created if need be.</param>
    /// <param name="name">Name of the adapter.</param>
    public static void SaveAsPlainLora(this PeftModel model, string folder, string name = PeftModel.DefaultName)
    {
        ArgumentNullException.ThrowIfNull(model);
        var options = LoraCombining.LoraOf(model, name);
        if (!options.Initialization.ReplacesBase && options.Variants.Count == 0)
        {
            model.SaveAdapter(folder, name);
            return;
        }
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var adapter = model.Find(name);
        var layers = adapter.Layers.OfType<LoraLayer>().ToList();
        var state = model.StateOf(adapter).ToDictionary();
        foreach (var key in layers.SelectMany(Keys)) state.Remove(key);
        foreach (var layer in layers)
            foreach (var (key, value) in layer.Plain()) state[Adapter.KeyOf(layer.Target, key)] = value;
        // Twice the rank and twice the alpha keep the scaling; under rsLoRA the root of two does.
        var times = options.Initialization.ReplacesBase || options.Kasa is not null ? 2 : 1;
        var growth = options.UseRslora ? Math.Sqrt(times) : times;
        AdapterCheckpoint.Write(folder, options.Plain with
        {
            Rank = options.Rank * times, Alpha = options.Alpha * growth,
            RankPattern = options.RankPattern.ToDictionary(pair => pair.Key, pair => pair.Value * times),
            AlphaPattern = options.AlphaPattern.ToDictionary(pair => pair.Key, pair => pair.Value * growth),
        }, state);
    }

    /// <summary>
    /// Puts a saved LoRA in the place of one that the model has, in its tensors, without touching the model: a server changes adapters
    /// between two requests. Ranks and alphas may differ; modules that the new one does not adapt get no update.
    /// </summary>
    /// <param name="model">The model.</param>
    /// <param name="name">The adapter to replace.</param>
    /// <param name="folder">The saved adapter.</param>
    /// <exception cref="AdapterMismatchException">The new adapter adapts modules that the old one does not, or is of another kind. The model is unchanged.</exception>
    public static void HotSwap(this PeftModel model, string name, string folder)
    {
        ArgumentNullException.ThrowIfNull(model);
        if (model.IsMerged) throw new PeftException("HotSwap is not possible while adapters are merged into the weights: Unmerge() first.");
        var adapter = model.Find(name);
        using var scope = NewDisposeScope();
        using var saved = SavedAdapter.Open(folder);
        if (adapter.Options is not LoraOptions old || saved.Options is not LoraOptions options)
            throw new AdapterMismatchException($"HotSwap exchanges LoRA adapters, but '{name}' or the one in {folder} is of another method. Delete('{name}') and load the other.");
        options.Validate();
        if (options.UseDora || old.UseDora || options.Bias != "none" || options.UseLoraBias != old.UseLoraBias || options.ModulesToSave is { Count: > 0 } || options.TrainableTokenIndices is not null || options.Initialization.ReplacesBase || old.Initialization.ReplacesBase
            || options.Variants.Count > 0 || old.Variants.Count > 0)
            throw new AdapterMismatchException($"The adapter in {folder} holds more than LoRA factors, or '{name}' does: it cannot be swapped in place. Delete('{name}') and load the other.");

        if (adapter.Layers.FirstOrDefault(layer => !LoraCombining.HasPlainFactors(layer)) is { } odd)
            throw new AdapterMismatchException($"The LoRA of {odd.Target} in '{name}' is more than one product B·A: it cannot be swapped in place. Delete('{name}') and load the other.");
        var file = saved.Tensors;
        var layers = LoraCombining.LayersOf(model, name);
        var keys = layers.Values.SelectMany(layer => Keys(layer)).ToHashSet();
        if (file.Tensors.Keys.Where(key => !keys.Contains(key)).ToList() is { Count: > 0 } strange)
            throw new AdapterMismatchException($"The adapter in {folder} has {strange.Count} tensors for which '{name}' has no place ({string.Join(", ", strange.Take(3))}, …): it adapts other modules. Delete('{name}') and load the other.");
        // Everything is read before anything is changed.
        var loaded = layers.Values.Select(layer => (layer, tensors: Keys(layer).Where(file.Tensors.ContainsKey).Select(key => file.Read(key)).ToList())).ToList();
        foreach (var (layer, tensors) in loaded)
        {
            if (tensors.Count < 2) layer.Clear();
            else layer.Refactor(tensors[0], tensors[1], options.ScalingAt(layer.Target.Path));
            if (tensors.Count > 2) layer.SetBias(tensors[2]);
        }
        adapter.Options = options;
    }

    private static IEnumerable<string> Keys(LoraLayer layer)
        => layer.Tensors.Where(tensor => tensor.IsSaved).Select(tensor => Adapter.KeyOf(layer.Target, tensor.Name));
}
