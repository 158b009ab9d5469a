using System.Text.Json.Serialization;
using Peft.Lora;
using static TorchSharp.torch;

namespace Peft;

/// <summary>Options of the methods of this package: each target's weight matrix gets an update.</summary>
public abstract record WeightUpdateOptions : TargetedOptions
{
    private protected WeightUpdateOptions(string peftType) : base(peftType) { }

    // A fact of the model, not a choice: written as the storage of the targets asks, true where it is [in, out].
    [JsonInclude, JsonPropertyName("fan_in_fan_out")] internal bool? FanInFanOut { get; init; }

    /// <summary>Whether the method's file says how the targets are stored.</summary>
    private protected virtual bool WritesStorage => true;

    /// <summary>Which biases are trained beside the updates.</summary>
    private protected virtual string TrainedBiases => "none";

    /// <inheritdoc/>
    protected override IReadOnlyCollection<string> FieldsWrittenIfSet => ["fan_in_fan_out"];

    /// <summary>The layers that update weights, made one by one as they are asked for, and tensors that they share.</summary>
    private protected abstract (IEnumerable<AdapterLayer> Layers, SharedTensors? Shared) Lay(IReadOnlyList<Target> targets, ModelTree model);

    /// <inheritdoc/>
    protected override IEnumerable<string> Errors()
    {
        foreach (var error in base.Errors()) yield return error;
        if (!(TrainedBiases is "none" or "all" || TrainedBiases?.EndsWith("_only", StringComparison.OrdinalIgnoreCase) == true))
            yield return $"Bias must be 'none', 'all' or '{PeftType.ToLowerInvariant()}_only', but was '{TrainedBiases}'.";
    }

    /// <summary>What is wrong with the numbers that many methods have.</summary>
    private protected static IEnumerable<string> NumberErrors(int rank, double dropout = 0, IReadOnlyDictionary<string, int>? rankPattern = null, double alpha = 1)
    {
        if (rank < 1) yield return $"Rank must be at least 1, but was {rank}.";
        if (rankPattern?.FirstOrDefault(pair => pair.Value < 1) is { Key: not null } pair) yield return $"RankPattern['{pair.Key}'] must be at least 1, but was {pair.Value}.";
        if (!(dropout is >= 0 and < 1)) yield return $"Dropout must be at least 0 and below 1, but was {dropout}.";
        if (!double.IsFinite(alpha)) yield return $"Alpha must be a number, but was {alpha}.";
    }

    /// <inheritdoc/>
    protected sealed override TargetedOptions For(IReadOnlyList<Target> targets)
        => WritesStorage ? this with { FanInFanOut = targets.Any(target => target.IsStoredTransposed) } : this;

    internal void RequireMatrices(IEnumerable<Target> targets)
    {
        if (targets.FirstOrDefault(target => !target.IsMatrix) is { } vector)
            throw new AdapterOptionsException($"{vector} has no weight matrix: {PeftType} cannot adapt it. Exclude it from TargetModules, or train it whole by ModulesToSave.");
    }

    /// <inheritdoc/>
    protected sealed override (IReadOnlyList<AdapterLayer> Layers, SharedTensors? Shared) Plan(IReadOnlyList<Target> targets, ModelTree model)
    {
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        RequireMatrices(targets);
        var (updates, shared) = Lay(targets, model);
        var layers = new List<AdapterLayer>();
        using var next = updates.GetEnumerator();
        while (true)
        {
            using var each = NewDisposeScope();   // what a start from the weight needs is large
            if (!next.MoveNext()) break;
            layers.Add(next.Current);
        }
        return ([.. BiasLayer.For(TrainedBiases, [.. layers.Where(layer => layer is not TokensLayer).Select(layer => layer.Target).Distinct()], model, this), .. layers], shared);
    }

    /// <inheritdoc/>
    protected override bool TrainsAllBiases => TrainedBiases == "all";
}
