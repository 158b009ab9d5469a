namespace Peft.Lora;

/// <summary>TinyLoRA's trained vectors <c>[u]</c>, one for each group of consecutive layers.</summary>
internal sealed class TinyLoraVectors : SharedTensors
{
    private readonly Parameter[] vectors;
    private readonly int layersPerGroup;

    public TinyLoraVectors(TinyLoraOptions options, IReadOnlyList<Target> targets) : base(targets[0].ComputeType, targets[0].Device)
    {
        var groups = Math.Max(1, (int)Math.Round(targets.Count * (1 - options.WeightTying)));
        layersPerGroup = Math.Max(1, targets.Count / groups);
        vectors = [.. Enumerable.Range(0, groups).Select(group => Trainable($"tinylora_v.{group}",
            options.Initialization == TinyLoraInitialization.Default ? Zeros(options.Size) : Uniform(options.Bound, options.Size)))];
    }

    /// <summary>The vector of a layer.</summary>
    public Parameter Of(int layer) => vectors[Math.Min(layer / layersPerGroup, vectors.Length - 1)];
}
