namespace Peft;

/// <summary>Converts LoRA adapters to plain LoRA.</summary>
public static class LoraConversion
{
    /// <summary>
    /// Saves an adapter as a plain LoRA, which any reader can apply to the unchanged base model. An adapter whose factors were initialized from
    /// the base weight (PiSSA, OLoRA, CorDA, LoRA-GA), or that subtracts a part of it (KaSA), gets twice the rank: A = [A; A₀], B = [B, −B₀].
    /// </summary>
    /// <param name="model">The model.</param>
    /// <param name="folder">The folder; it is created if it does not exist.</param>
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

    private static IEnumerable<string> Keys(LoraLayer layer)
        => layer.Tensors.Where(tensor => tensor.IsSaved).Select(tensor => Adapter.KeyOf(layer.Target, tensor.Name));
}
