namespace Peft.Adapters;

/// <summary>The Adapters library's keys for the tensors of a ReFT adapter.</summary>
internal static class ReftKeys
{
    public static IEnumerable<HubTensor> Of(ModelTree model, Adapter adapter, string name)
    {
        var blocks = BlockEnd.In(model).ToDictionary(end => end.Target, end => end.Block);
        foreach (var layer in adapter.Layers.OfType<ReftLayer>())
        {
            if (!blocks.TryGetValue(layer.Target, out var block))
                throw new AdapterOptionsException($"The Adapters library has no ReFT at {layer.Target.Path}: only adapters at the ends of an architecture's layers can be saved in its format.");
            // The library has both units even if one acts nowhere: it then gets the other's values.
            var tied = ((ReftOptions)adapter.Options).TiesWeights;
            ReftUnit?[] units = tied ? [layer.First] : [layer.First, layer.Last];
            for (var i = 0; i < units.Length; i++)
                foreach (var tensor in Of(units[i] ?? units[1 - i]!, $"{block}.reft_layer.refts.{name}.units.{i}"))
                    yield return units[i] is null ? tensor with { Write = null } : tensor;
        }
    }

    private static IEnumerable<HubTensor> Of(ReftUnit unit, string prefix)
    {
        foreach (var (own, value) in unit.Plain) yield return HubTensor.Same($"{prefix}.{own}", value);
        if (unit.Orthonormal is not { } rows) yield break;
        var (original, width) = (rows.Original, rows.Original.size(1));
        yield return HubTensor.Same($"{prefix}.projection.parametrizations.weight.original", original);
        // It follows its original, which has been read by then.
        yield return new HubTensor($"{prefix}.projection.parametrizations.weight.0.base", [width, width], rows.Base, value => rows.Load(original.detach().clone(), value.to(original.device)));
    }
}
