using System.Text.Json.Serialization;
using Peft.Lora;
using static TorchSharp.torch;

namespace Peft;

/// <summary>Base of the options of weight-update methods, which add an update to the weight matrix of each target.</summary>
public abstract record WeightUpdateOptions : TargetedOptions
{
    private protected WeightUpdateOptions(string peftType) : base(peftType) { }

    // Not a choice but a property of the targets: written as true if their weights are stored as [in, out].
    [JsonInclude, JsonPropertyName("fan_in_fan_out")] internal bool? FanInFanOut { get; init; }

    /// <summary>True if the method's file has the field <c>fan_in_fan_out</c>, which says how the targets' weights are stored.</summary>
    private protected virtual bool WritesStorage => true;

    /// <summary>Biases of the model to train as well.</summary>
    private protected virtual string TrainedBiases => "none";

    /// <inheritdoc/>
    protected override IReadOnlyCollection<string> FieldsWrittenIfSet => ["fan_in_fan_out"];

    /// <summary>Creates the layers that update weights, lazily one by one, and the tensors that they share.</summary>
    private protected abstract (IEnumerable<AdapterLayer> Layers, SharedTensors? Shared) Lay(IReadOnlyList<Target> targets, ModelTree model);

    /// <inheritdoc/>
    protected override IEnumerable<string> Errors()
    {
        foreach (var error in base.Errors()) yield return error;
        if (!(TrainedBiases is "none" or "all" || TrainedBiases?.EndsWith("_only", StringComparison.OrdinalIgnoreCase) == true))
            yield return $"Bias must be 'none', 'all' or '{PeftType.ToLowerInvariant()}_only', but was '{TrainedBiases}'.";
    }

    /// <summary>Validation errors of the numeric options that many methods have.</summary>
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
            using var each = NewDisposeScope();   // frees the large temporaries of an initialization from the weight
            if (!next.MoveNext()) break;
            layers.Add(next.Current);
        }
        return ([.. BiasLayer.For(TrainedBiases, [.. layers.Where(layer => layer is not TokensLayer).Select(layer => layer.Target).Distinct()], model, this), .. layers], shared);
    }

    /// <inheritdoc/>
    protected override bool TrainsAllBiases => TrainedBiases == "all";
}
