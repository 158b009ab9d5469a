namespace Peft;

/// <summary>
/// Creates an adapter whose tensors are a weighted sum of other adapters' tensors. Suitable for methods that act through vectors, such as (IA)³, and for
/// adapters with the same initialization.
/// </summary>
public static class AdapterAveraging
{
    /// <summary>Adds an adapter that is the weighted sum of others. It does not become active.</summary>
    /// <param name="model">The model.</param>
    /// <param name="name">Name of the new adapter.</param>
    /// <param name="parts">Names of adapters of one method, with their weights. A module that only some of them adapt gets the sum over those.</param>
    /// <param name="normalize">True to normalize the weights to a sum of 1, for a mean.</param>
    /// <returns>The model.</returns>
    /// <exception cref="AdapterOptionsException"><paramref name="parts"/> is empty, the methods differ, or weights to normalize sum to 0.</exception>
    /// <exception cref="AdapterMismatchException">The shapes of a tensor differ between the adapters.</exception>
    public static PeftModel AverageAdapters(this PeftModel model, string name, IReadOnlyList<(string Name, double Weight)> parts, bool normalize = false)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(parts);
        if (parts.Count == 0) throw new AdapterOptionsException("Name at least one adapter to average.");
        var sources = parts.Select(part => (Adapter: model.Find(part.Name), part.Weight)).ToList();
        if (sources.Select(source => source.Adapter.Options.PeftType).Distinct().ToList() is { Count: > 1 } methods)
            throw new AdapterOptionsException($"Only adapters of one method can be averaged, but these are {string.Join(" and ", methods)}.");
        var total = normalize ? parts.Sum(part => part.Weight) : 1;
        if (total == 0) throw new AdapterOptionsException("The weights sum to 0, so they cannot be normalized.");

        model.Add(name, Union([.. sources.Select(source => source.Adapter.Options)]));
        try
        {
            using var _ = no_grad();
            foreach (var (key, tensor) in model.Find(name).Tensors.Where(pair => pair.Tensor.IsTrainable)) Sum(key, tensor.Value, sources, total);
        }
        catch
        {
            model.Delete(name);
            throw;
        }
        return model;
    }

    private static void Sum(string key, Tensor sum, List<(Adapter Adapter, double Weight)> sources, double total)
    {
        using var scope = NewDisposeScope();
        sum.zero_();
        foreach (var (adapter, weight) in sources)
        {
            if (adapter.Tensors.FirstOrDefault(pair => pair.Key == key).Tensor?.Value is not { } part) continue;
            if (!part.shape.SequenceEqual(sum.shape))
                throw new AdapterMismatchException($"{key} is [{string.Join(", ", part.shape)}] in adapter '{adapter.Name}' and [{string.Join(", ", sum.shape)}] in the first: adapters of different sizes cannot be averaged.");
            sum.add_(part, alpha: Constant(weight / total));
        }
    }

    // The options of the first adapter, with the target modules of all of them.
    private static AdapterOptions Union(IReadOnlyList<AdapterOptions> all)
    {
        if (all[0] is not TargetedOptions first) return all[0];
        var selectors = all.Cast<TargetedOptions>().Select(options => options.TargetModules).OfType<ModuleSelector>().ToList();
        if (selectors.All(selector => selector.Pattern is null)) return first with { TargetModules = selectors.SelectMany(selector => selector.Names).Distinct().ToArray() };
        return selectors.Select(selector => selector.Pattern).Distinct().Count() == 1 ? first
            : throw new AdapterOptionsException($"Adapters whose TargetModules are patterns can be averaged only if the patterns are equal, but they are {string.Join(", ", selectors)}.");
    }
}
