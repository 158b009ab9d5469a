namespace Peft.Lora;

/// <summary>Tensors that FRoD's modules of the same role share: V <c>[in, in]</c> and the indices <c>[2, count]</c> of the sparse elements.</summary>
internal sealed class FrodProjections : SharedTensors
{
    private readonly Dictionary<string, (Parameter V, Parameter Indices)> roles = [];

    public FrodProjections(FrodOptions options, IReadOnlyList<Target> targets) : base(targets[0].ComputeType, targets[0].Device)
    {
        using var random = new SeededRandom(options.ProjectionSeed, Device);
        foreach (var role in targets.GroupBy(RoleOf).OrderBy(group => group.Key, StringComparer.Ordinal))
        {
            using var scope = NewDisposeScope();
            var size = role.First().In;
            var v = CommonBasis([.. role.Select(target => target.ReadMatrix(ScalarType.Float32))], options.Regularization);
            var apart = size * size - size;
            var count = options.SparseRate == 0 || apart == 0 ? 0 : Math.Clamp((long)(size * size * options.SparseRate), 1, apart);
            var chosen = count == 0 ? zeros(0, ScalarType.Int64) : random.Choose(count, apart);
            // Flat indices over the off-diagonal elements, in row-major order.
            var row = chosen.div(Constant(Math.Max(1, size - 1)), RoundingMode.floor);
            var column = chosen.remainder(Constant(Math.Max(1, size - 1)));
            column = column.add(column.ge(row).to_type(ScalarType.Int64), One);
            var indices = Frozen($"frod_s_indices.{role.Key}", stack([row, column]).to(Device), options.SaveProjection);
            Frozen($"frod_s_size.{role.Key}", tensor([size, size], device: Device), options.SaveProjection);
            roles.Add(role.Key, (Frozen($"frod_V.{role.Key}", v.contiguous(), options.SaveProjection), indices));
        }
    }

    /// <summary>The tensors that a target shares with the other modules of its role.</summary>
    public (Parameter V, Parameter Indices) Of(Target target) => roles[RoleOf(target)];

    // The same role in different layers: named, as in Hugging Face PEFT, by the last two parts of the path.
    private static string RoleOf(Target target)
    {
        var parts = target.Path.Split('.');
        if (parts.Length == 1 || parts[^2].All(char.IsAsciiDigit)) return parts[^1];
        return parts is [.., "attention", "output", "dense"] ? "attention_output" : $"{parts[^2]}_{parts[^1]}";
    }

    // A joint decomposition of matrices with the same number of columns, by the eigenvectors of their mean inverse Gram matrix
    // (higher-order generalized singular values; Ponnapalli et al. 2011, doi:10.1371/journal.pone.0028072).
    private static Tensor CommonBasis(IReadOnlyList<Tensor> matrices, double regularization)
    {
        var stacked = cat([.. matrices], 0);
        if (stacked.size(0) < stacked.size(1))
        {
            var (_, _, vt) = linalg.svd(stacked, fullMatrices: true);
            return vt.t();
        }
        var (q, r) = linalg.qr(stacked);
        var ridge = eye(r.size(1), dtype: r.dtype, device: r.device).mul(Constant(regularization));
        var mean = zeros_like(ridge);
        var start = 0L;
        foreach (var matrix in matrices)
        {
            var part = q.narrow(0, start, matrix.size(0));
            mean = mean.add(linalg.inv(part.t().mm(part).add(ridge, One)), alpha: Constant(1.0 / matrices.Count));
            start += matrix.size(0);
        }
        var (_, vectors) = linalg.eigh(mean);
        return r.t().mm(vectors);
    }
}
