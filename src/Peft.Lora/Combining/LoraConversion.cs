namespace Peft;

/// <summary>Converts LoRA adapters to plain LoRA.</summary>
public static class LoraConversion
{
    /// <summary>
    /// Saves an adapter as a plain LoRA, which any reader can apply to the unchanged base model. An adapter whose factors were initialized from
    /// the base weight (PiSSA, OLoRA, CorDA, LoRA-GA), or that subtracts a part of it (KaSA), gets twice the rank: A = [A; A₀], B = [B, −B₀].
    /// </summary>
    /// <param name="model">The model.</param>
    /// <param name="folder">The folder of the adapter, whatever its name; it is created if it does not exist.</param>
    /// <param name="name">Name of the adapter.</param>
    /// <exception cref="AdapterNotFoundException">There is no adapter of that name.</exception>
    /// <exception cref="AdapterOptionsException">
    /// No plain LoRA has the same outputs: the adapter is of another method, has DoRA's magnitudes, biases, trained tokens, adapted parameters or repeated layers, is active at some
    /// positions only (aLoRA), or routes between others (Arrow). Nothing was written.
    /// </exception>
    /// <exception cref="PeftException">Restarts in training have changed the base weights.</exception>
    public static void SaveAsPlainLora(this PeftModel model, string folder, string name = PeftModel.DefaultName)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        var options = LoraCombining.LoraOf(model, name);
        var adapter = model.Find(name);
        if (PlainLora.Problems(adapter, "readers of plain LoRA").ToList() is { Count: > 0 } problems)
            throw new AdapterOptionsException($"Adapter '{name}' cannot be saved as a plain LoRA: {string.Join(" ", problems)}");
        if (model.HasRestarted) throw new PeftException($"Restarts in training have merged updates into the base weights, so adapter '{name}' alone lacks a part of the training: call MergeAndUnload, then save the model with SavePretrained.");
        using var pass = model.Pass();   // merging must wait, since base weights may also be saved
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var state = model.StateOf(adapter).ToDictionary();
        foreach (var layer in adapter.Layers)
        {
            if (layer is LoraLayer) foreach (var tensor in layer.Tensors.Where(tensor => tensor.IsSaved)) state.Remove(Adapter.KeyOf(layer.Target, tensor.Name));
            foreach (var (key, value) in (layer as LoraLayer)?.Plain() ?? (layer as TiedLoraLayer)?.Plain() ?? []) state[Adapter.KeyOf(layer.Target, key)] = value;
        }
        // Doubling rank and alpha keeps the scaling. With rsLoRA, alpha grows by √2.
        var times = options.Initialization.ReplacesBase || options.Kasa is not null ? 2 : 1;
        var growth = options.UseRslora ? Math.Sqrt(times) : times;
        AdapterCheckpoint.Write(folder, options.Plain with
        {
            Rank = options.Rank * times,
            Alpha = options.Alpha * growth,
            RankPattern = options.RankPattern.ToDictionary(pair => pair.Key, pair => pair.Value * times),
            AlphaPattern = options.AlphaPattern.ToDictionary(pair => pair.Key, pair => pair.Value * growth),
        }, state);
    }
}
