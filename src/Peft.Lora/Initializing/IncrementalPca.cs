namespace Peft.Lora;

/// <summary>
/// Incremental PCA over batches of rows, which are not kept (Ross et al. 2008, "Incremental Learning for Robust Visual
/// Tracking", section 2.2: with mean update).
/// </summary>
internal sealed class IncrementalPca(int components) : IDisposable
{
    private Tensor? mean;       // [size]
    private Tensor? square;     // [size], sum of squared distances from the mean
    private Tensor? scaled;     // [components, size], diag(S)·Vᵀ
    private long count;

    /// <summary>True if the last batch changed the direction of no component by more than the tolerance.</summary>
    public bool HasConverged { get; private set; }

    /// <summary>Orthonormal rows <c>[components, size]</c>, in descending order of variance.</summary>
    public Tensor Components { get; private set; } = null!;

    /// <summary>Fraction of the total variance that each component explains, <c>[components]</c>.</summary>
    public Tensor ExplainedVarianceRatios { get; private set; } = null!;

    /// <summary>Singular values of the centred rows, <c>[components]</c>.</summary>
    public Tensor SingularValues { get; private set; } = null!;

    /// <summary>Updates the components with rows <c>[rows, size]</c>.</summary>
    /// <param name="rows">The rows.</param>
    /// <param name="tolerance">Minimum cosine similarity of a component before and after the update for it to count as converged.</param>
    public void Add(Tensor rows, double tolerance)
    {
        using var scope = NewDisposeScope();
        var added = rows.size(0);
        var total = count + added;
        var batchMean = rows.mean([0]);
        var centred = rows - batchMean;
        var shift = mean is null ? zeros_like(batchMean) : mean - batchMean;
        var correction = shift.mul(Constant(Math.Sqrt((double)count * added / total)));
        var stack = scaled is null ? centred : cat([scaled, centred, correction.unsqueeze(0)]);
        var (_, s, vt) = linalg.svd(stack, fullMatrices: false);
        var kept = (int)Math.Min(components, s.numel());
        var (vectors, values) = (vt.narrow(0, 0, kept), s.narrow(0, 0, kept));

        var newSquare = centred.square().sum(dim: 0).add(correction.square(), One).add(square ?? zeros_like(batchMean), One);
        var newMean = mean is null ? batchMean : mean.mul(Constant(count)).add(batchMean, Constant(added)).div(Constant(total));
        HasConverged = scaled is not null && Components.size(0) == kept
            && (Components * vectors).sum(dim: 1).abs().ge(Constant(tolerance)).all().item<bool>();
        Keep(newMean, newSquare, values.unsqueeze(1) * vectors, vectors.clone(), values.square() / newSquare.sum(), values.clone());
        count = total;
    }

    private void Keep(params ReadOnlySpan<Tensor> state)
    {
        Dispose();
        foreach (var tensor in state) tensor.DetachFromDisposeScope();
        (mean, square, scaled, Components, ExplainedVarianceRatios, SingularValues) = (state[0], state[1], state[2], state[3], state[4], state[5]);
    }

    public void Dispose()
    {
        foreach (var tensor in new[] { mean, square, scaled, Components, ExplainedVarianceRatios, SingularValues }) tensor?.Dispose();
    }
}
