namespace Peft.Lora;

/// <summary>
/// Uni-LoRA's trained vector θ <c>[parameters]</c> and the positions of its values: the positions of all factors are distributed evenly among the values.
/// A value at n positions is divided by √n.
/// </summary>
internal sealed class UniLoraVector : SharedTensors
{
    private readonly long[] assigned;
    private readonly float[] scales;
    private long next;

    public UniLoraVector(UniLoraOptions options, IReadOnlyList<Target> targets) : base(targets[0].ComputeType, targets[0].Device)
    {
        Theta = Trainable("unilora_theta_d", options.InitWeights ? Uniform(options.Bound, options.VectorLength) : Normal(1, options.VectorLength));
        var positions = targets.Sum(target => options.Rank * (target.In + target.Out));
        AdapterPlan.Allow(CPU, 4, positions);   // two temporary lists of 64-bit integers
        assigned = Assign(options, positions);
        var counts = new long[options.VectorLength];
        foreach (var index in assigned) counts[index]++;
        scales = [.. counts.Select(count => count == 0 ? 0 : 1 / MathF.Sqrt(count))];
    }

    public Parameter Theta { get; }

    /// <summary>Indices into θ and scales for the next factor of a shape. Layers take theirs in the order of the model, A before B.</summary>
    public (Tensor Indices, Tensor Scales) Take(params long[] shape)
    {
        var count = shape.Aggregate(1L, (a, b) => a * b);
        var part = assigned.AsSpan((int)next, (int)count).ToArray();
        next += count;
        return (tensor(part, device: Device).view(shape), tensor(part.Select(index => scales[index]).ToArray(), device: Device).view(shape));
    }

    private static long[] Assign(UniLoraOptions options, long positions)
    {
        var random = new NumpyRandom((uint)options.Seed);
        var (each, left) = ((int)(positions / options.VectorLength), (int)(positions % options.VectorLength));
        long[] all = [.. Enumerable.Range(0, options.VectorLength).SelectMany(index => Enumerable.Repeat((long)index, each)), .. random.Choose(options.VectorLength, left)];
        random.Shuffle(all);
        return all;
    }
}
