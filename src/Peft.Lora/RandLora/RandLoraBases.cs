namespace Peft.Lora;

/// <summary>RandLoRA's random bases A <c>[rank, 1, smaller]</c> and B <c>[larger, bases, rank]</c> for the largest target, with standard deviation 1.</summary>
internal sealed class RandLoraBases : SharedTensors
{
    public RandLoraBases(RandLoraOptions options, IReadOnlyList<Target> targets) : base(targets[0].ComputeType, targets[0].Device)
    {
        var (rows, columns) = (targets.Max(target => target.Out), targets.Max(target => target.In));
        var (small, large) = (Math.Min(rows, columns), Math.Max(rows, columns));
        var (rank, count) = (options.Rank, Count(small, options.Rank));
        using var random = new SeededRandom(options.ProjectionSeed, Device);
        Tensor a, b;
        if (options.Sparse || options.VerySparse)
        {
            var sparsity = options.VerySparse ? Math.Sqrt(small) : 3;
            a = Signs(random.Uniform(rank, 1, small), sparsity);
            b = Signs(random.Uniform(large, count, rank), sparsity);
        }
        else
        {
            // Hugging Face PEFT draws and divides in bfloat16: float32 would give other values for the same seed.
            a = random.UniformBFloat16(1 / Math.Sqrt(small), rank, 1, small);
            b = cat([.. Enumerable.Range(0, count).Select(_ => random.UniformBFloat16(1 / Math.Sqrt(rank), large, 1, rank))], 1);
        }
        A = Frozen("randlora_A", Unit(a).to(Device), options.SaveProjection);
        B = Frozen("randlora_B", Unit(b).to(Device), options.SaveProjection);
    }

    public Parameter A { get; }

    public Parameter B { get; }

    /// <summary>Number of bases needed to reach full rank.</summary>
    public static int Count(long smaller, int rank) => (int)((smaller + rank - 1) / rank);

    private Tensor Unit(Tensor values) => HasValues ? values.div(values.std()) : values;

    // ±1 for the tails of uniform values, 0 in between (very sparse random projections; Li, Hastie and Church 2006).
    private static Tensor Signs(Tensor uniform, double sparsity)
        => uniform.gt(Constant(1 - 1 / (2 * sparsity))).to_type(ScalarType.Float32).sub(uniform.lt(Constant(1 / (2 * sparsity))).to_type(ScalarType.Float32));
}
