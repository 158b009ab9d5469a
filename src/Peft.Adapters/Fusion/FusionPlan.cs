namespace Peft.Adapters;

/// <summary>Builds the layers of a fusion: one at each position of the fused adapters, with a tap on the residual stream if the last adapter needs one.</summary>
internal static class FusionPlan
{
    public static IReadOnlyList<AdapterLayer> Layers(FusionOptions options, ModelTree model)
    {
        var peft = PeftModel.Of(model.Model) ?? throw new PeftException("A fusion needs a model that already has the adapters: add them first.");
        var sources = options.Adapters.Select(name => (Name: name, Options: OptionsOf(peft, name), Layers: peft.Find(name).Layers.OfType<BottleneckLayer>().ToDictionary(layer => layer.Target))).ToList();
        var places = BottleneckPositions.In(model).ToDictionary(found => found.Target, found => (found.Position, found.Layer));

        using var _ = no_grad();
        using var scope = NewDisposeScope();
        var layers = new List<AdapterLayer>();
        foreach (var target in model.Targets.Where(target => sources.Any(source => source.Layers.ContainsKey(target))))
        {
            var here = sources.Where(source => source.Layers.ContainsKey(target)).ToList();
            var tap = places.TryGetValue(target, out var place) ? BottleneckPlan.Surroundings(here[^1].Options, target, place.Position, place.Layer, model).Tap : null;
            if (tap is not null) layers.Add(tap);
            layers.Add(new FusionLayer(target, options, [.. here.Select(source => source.Layers[target])], tap));
        }
        return layers;
    }

    private static BottleneckOptions OptionsOf(PeftModel peft, string name)
        => peft.Find(name).Options as BottleneckOptions ?? throw new AdapterOptionsException($"Adapter '{name}' is of method {peft.Find(name).Options.PeftType}: only bottleneck adapters can be fused.");
}
