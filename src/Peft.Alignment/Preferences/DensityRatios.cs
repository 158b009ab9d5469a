using static TorchSharp.torch;

namespace Peft;

/// <summary>Weights of undesirable rows by their prompts (<see cref="DensityRatioOptions"/>).</summary>
internal static class DensityRatios
{
    /// <summary>The weight of each row: 1 for desirable ones.</summary>
    /// <param name="prompts">The prompts.</param>
    /// <param name="desirable">The labels.</param>
    /// <param name="options">Settings.</param>
    /// <exception cref="DatasetException">There are no desirable or no undesirable rows, or the embeddings cannot be used.</exception>
    public static float[] Of(IReadOnlyList<string> prompts, IReadOnlyList<bool> desirable, DensityRatioOptions options)
    {
        options.Validate();
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        int[] wanted = [.. Enumerable.Range(0, desirable.Count).Where(row => desirable[row])], unwanted = [.. Enumerable.Range(0, desirable.Count).Where(row => !desirable[row])];
        if (wanted.Length == 0 || unwanted.Length == 0) throw new DatasetException("Density ratios need desirable and undesirable rows, but all rows are of one kind: set DensityRatios to null.");
        var embeddings = cat([.. prompts.Chunk(options.BatchSize).Select(texts => Embedded(texts, options))]);
        long[] Sampled(int[] rows)
        {
            new Random(0).Shuffle(rows);
            return [.. rows.Take(options.SampleSize).Select(row => (long)row)];
        }
        long[] first = Sampled([.. wanted]), second = Sampled([.. unwanted]);
        var labels = cat([ones(first.Length, ScalarType.Float64), zeros(second.Length, ScalarType.Float64)]);
        var regression = LogisticRegression.Fit(embeddings.index_select(0, tensor([.. first, .. second])), labels);
        var probabilities = regression.Predict(embeddings);
        double[] ratios = [.. probabilities.div(probabilities.neg().add(Constant(1 + 1e-8), One)).clamp(Constant(options.Minimum), Constant(options.Maximum)).data<double>()];
        return [.. ratios.Select((ratio, row) => desirable[row] ? 1 : (float)ratio)];
    }

    private static Tensor Embedded(string[] texts, DensityRatioOptions options)
    {
        var made = TensorRules.RequireAlive(options.Embed(texts), nameof(options.Embed));
        if (made.dim() != 2 || made.size(0) != texts.Length) throw new DatasetException($"{nameof(options.Embed)} returned {TensorRules.Describe(made)} for {texts.Length} prompts: return [{texts.Length}, dimensions].");
        var values = made.detach().cpu().to_type(ScalarType.Float64);
        return values.isfinite().all().item<bool>() ? values : throw new DatasetException($"{nameof(options.Embed)} returned values that are not finite.");
    }
}
