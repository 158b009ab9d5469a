namespace Peft.Adapters;

/// <summary>The Adapters library's keys for the tensors of a bottleneck adapter.</summary>
internal static class AdapterHubKeys
{
    public static IEnumerable<HubTensor> Of(ModelTree model, Adapter adapter, string name)
    {
        var places = BottleneckPositions.In(model).ToDictionary(found => found.Target, found => found.Layer + found.Position.HubName);
        // T5's parts have no common prefix. Other models have the prefix of their base model.
        var root = model.ModelType is "t5" or "mt5" ? "" : places.Values.FirstOrDefault() is { } first ? first[..(first.IndexOf('.') + 1)] : "";
        foreach (var tensor in adapter.Shared?.Tensors ?? []) yield return HubTensor.Same($"{root}shared_parameters.{name}.{tensor.Name}", tensor.Value);
        foreach (var layer in adapter.Layers)
        {
            var prefix = layer switch
            {
                InvertibleLayer => $"{root}invertible_adapters.{name}",
                _ when layer.Tensors.Count == 0 => "",
                BottleneckLayer when places.TryGetValue(layer.Target, out var place) => $"{place}.{name}",
                _ => throw new AdapterOptionsException($"The Adapters library has no bottleneck adapter at {layer.Target.Path}: only adapters at the default positions of an architecture can be saved in its format."),
            };
            foreach (var tensor in layer.Tensors.Where(tensor => tensor.IsSaved))
            {
                yield return HubTensor.Same($"{prefix}.{tensor.Name}", tensor.Value);
                // The norm before the projection is also part of the projection's Sequential.
                if (tensor.Name.StartsWith("adapter_norm_before.", StringComparison.Ordinal)) yield return HubTensor.Same($"{prefix}.adapter_down.0.{tensor.Name["adapter_norm_before.".Length..]}", tensor.Value);
            }
        }
    }
}
