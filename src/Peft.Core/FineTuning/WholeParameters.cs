namespace Peft;

/// <summary>Creates layers that fully train single parameters, each as a copy.</summary>
internal static class WholeParameters
{
    /// <summary>Creates layers for the parameters selected by path. Modules that share a weight are trained together if any of them is selected.</summary>
    public static IReadOnlyList<AdapterLayer> Layers(ModelTree model, Func<string, bool> chosen)
    {
        var weights = new HashSet<object>(model.Targets.Where(target => chosen($"{target.Path}.weight".TrimStart('.'))).Select(target => target.Storage.Identity), ReferenceEqualityComparer.Instance);
        var owners = new Dictionary<object, FullLayer>(ReferenceEqualityComparer.Instance);
        var layers = new List<AdapterLayer>();
        foreach (var target in model.Targets)
        {
            var (weight, bias) = (weights.Contains(target.Storage.Identity), target.Bias is not null && chosen($"{target.Path}.bias".TrimStart('.')));
            if (!weight && !bias) continue;
            var layer = new FullLayer(target, weight, bias, weight ? owners.GetValueOrDefault(target.Storage.Identity) : null);
            if (weight) owners.TryAdd(target.Storage.Identity, layer);
            layers.Add(layer);
        }
        foreach (var target in model.LooseParameters(chosen))
            layers.Add(new FullLayer(target, trainsWeight: true, trainsBias: false, tiedTo: null));
        return layers;
    }
}
