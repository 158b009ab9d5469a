using static TorchSharp.torch;

namespace Peft;

/// <summary>AdamW on a few layers at a time. The seed and the step determine which layers are trained.</summary>
internal sealed class Layerwise : SliceOptimizer
{
    private readonly LayerwiseOptions options;
    private readonly Dictionary<string, int?> layerOf;
    private readonly int[] layers;
    private HashSet<int?> trained = [];
    private long interval = -1;

    public Layerwise(FlatParameters parameters, double learningRate, LayerwiseOptions options) : base(parameters, learningRate, options)
    {
        this.options = options;
        layerOf = parameters.Tensors.ToDictionary(tensor => tensor.Name, tensor => TargetMatcher.LayerNumber(tensor.Name, null), StringComparer.Ordinal);
        layers = [.. layerOf.Values.OfType<int>().Distinct().Order()];
    }

    /// <inheritdoc/>
    public override void BeginStep()
    {
        if (Choose(Steps)) Parameters.Train(name => trained.Contains(layerOf[name]));
    }

    private protected override bool IsTrained(FlatSlice slice)
    {
        Choose(Steps - 1);
        return trained.Contains(layerOf[slice.Tensor.Name]);
    }

    // Selects the layers of the step after the given number of steps. True if they changed.
    private bool Choose(long steps)
    {
        var now = steps / options.Interval;
        if (now == interval) return false;
        interval = now;
        trained = Chosen(now);
        Forget(name => !trained.Contains(layerOf[name]) || steps % options.Interval == 0);
        return true;
    }

    private HashSet<int?> Chosen(long now)
    {
        if (options.Order == LayerOrder.Random)
        {
            var order = layers.ToArray();
            new SplitMix64(SplitMix64.Mix(options.Seed, now)).Shuffle(order.AsSpan());
            return [null, .. order.Take(options.Layers)];
        }
        int?[][] blocks = [.. layers.Chunk(options.Layers).Select(block => block.Select(layer => (int?)layer).ToArray())];
        if (layerOf.ContainsValue(null)) blocks = [.. blocks, [null]];
        return [.. blocks[now % blocks.Length]];
    }

    private protected override void Update(Tensor value, Tensor gradient, SliceState state, double rate, double decay)
        => AdamStep.Run(value, gradient, state, rate, decay, options.Beta1, options.Beta2, options.Epsilon);
}
