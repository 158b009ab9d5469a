namespace Peft.Adapters;

/// <summary>
/// Builds the layers of a bottleneck adapter: a bottleneck at each target, with a tap on the residual stream if it needs one, and the invertible adapter.
/// </summary>
internal static class BottleneckPlan
{
    public static (IReadOnlyList<AdapterLayer> Layers, SharedTensors? Shared) Layers(BottleneckOptions options, IReadOnlyList<Target> targets, ModelTree model)
    {
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        var known = BottleneckPositions.In(model).ToDictionary(found => found.Target, found => (found.Position, found.Layer));
        var used = targets.Where(target => target.Layer is not { } layer || !options.LeaveOut.Contains(layer)).ToList();
        var shared = options is { IsHypercomplex: true } and ({ SharesRule: true } or { SharesWeights: true }) && used.Count > 0 ? new HypercomplexShared(options, used[0]) : null;

        var layers = new List<AdapterLayer>();
        foreach (var target in used)
        {
            var (tap, norm) = known.TryGetValue(target, out var place) ? Surroundings(options, target, place.Position, place.Layer, model) : (null, null);
            if (tap is not null) layers.Add(tap);
            layers.Add(new BottleneckLayer(target, options, shared, tap, norm));
        }
        if (options.Invertible is not null) layers.AddRange(InvertibleLayers.For(options, model));
        return (layers, shared);
    }

    /// <summary>The residual tap and the norm of a position, if the options need them.</summary>
    public static (ResidualTap? Tap, nn.Module<Tensor, Tensor>? Norm) Surroundings(BottleneckOptions options, Target target, BottleneckPosition position, string layer, ModelTree model)
    {
        if (!options.NormAfter && position.Norm is not null)
            throw new AdapterOptionsException($"NormAfter is false, but {model.ModelType} has a norm after {target.Path} that always applies: leave NormAfter at true.");
        if (!options.IsParallel && !options.NormBefore) return (null, null);
        var residual = Sibling(layer + position.Residual);
        return (new ResidualTap(residual), position.Norm is { } norm && !options.IsParallel ? (nn.Module<Tensor, Tensor>)Sibling(layer + norm).Module : null);

        Target Sibling(string path) => model.Targets.FirstOrDefault(each => each.Path == path) ?? throw model.NotFound(nameof(options.TargetModules), [path]);
    }
}
