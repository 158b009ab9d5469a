using Peft.Modules;
using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>Resizes a model's embeddings after tokens were added to its tokenizer.</summary>
public static class EmbeddingResizing
{
    // The factor of the covariance in transformers.
    private const double CovarianceScale = 1e-9;

    /// <summary>
    /// Changes the number of rows of the token embedding, and of the language-model head, tied or not. Remaining rows keep their exact
    /// values; rows are removed or appended at the end. The parameters are replaced by new objects: resize before creating adapters, optimizers or
    /// trainers.
    /// </summary>
    /// <param name="model">The model.</param>
    /// <param name="count">Number of tokens, usually <see cref="Tokenizer.VocabularySize"/>.</param>
    /// <param name="padToMultipleOf">Rounds the number up to a multiple of this, for efficiency; null for no rounding.</param>
    /// <param name="rows">Initialization of new rows.</param>
    /// <param name="seed">Seed for the new rows.</param>
    /// <returns>The number of rows.</returns>
    /// <exception cref="PeftException">The model has adapters, or the embedding is quantized.</exception>
    public static int ResizeTokenEmbeddings(this PretrainedModel model, int count, int? padToMultipleOf = null, NewTokenRows rows = NewTokenRows.MeanAndCovariance, long seed = 0)
    {
        ArgumentNullException.ThrowIfNull(model);
        model.RequireAlive();
        if (!Enum.IsDefined(rows)) throw new ArgumentOutOfRangeException(nameof(rows), rows, "Unknown initialization of new rows.");
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        if (padToMultipleOf is { } multiple)
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(multiple, 1, nameof(padToMultipleOf));
            var rounded = ((long)count + multiple - 1) / multiple * multiple;
            if (rounded > int.MaxValue) throw new ArgumentOutOfRangeException(nameof(count), count, $"Rounded up to a multiple of {multiple} that is {rounded} tokens, but a model has at most {int.MaxValue}.");
            count = (int)rounded;
        }
        if (PeftModel.Of(model) is not null)
            throw new PeftException($"This {model.GetType().Name} has adapters, which depend on the current embedding: call ResizeTokenEmbeddings before the first adapter is added, or Unload() them.");
        var embedding = model.InputEmbeddings;
        if (embedding.Storage.Parameter is null || (HasRowPerToken(model) && model.HeadModule!.Storage.Parameter is null))
            throw new PeftException($"The token embedding or the head of this {model.GetType().Name} is quantized: call ResizeTokenEmbeddings before the model is quantized, or Dequantize() it first.");
        var (known, width) = (embedding.Weight.size(0), embedding.Weight.size(1));
        if (known == count) return count;
        // Sampling with the covariance of the rows takes a random value for each pair of a new and an old row.
        MemoryBudget.Require((Int128)count * width * 2 + (rows == NewTokenRows.MeanAndCovariance ? (Int128)Math.Max(0, count - known) * known : 0), ScalarType.Float32, embedding.Weight.device,
            () => $"an embedding of {count} tokens of width {width}, initialized from {known}. Lower the number{(rows == NewTokenRows.MeanAndCovariance ? ", or use NewTokenRows.Mean" : "")}.");

        using var scope = NewDisposeScope();
        using var grad = no_grad();
        using var generator = new Generator((ulong)seed, model.Device);
        var head = HasRowPerToken(model) ? model.HeadModule : null;
        var tied = head is not null && ReferenceEquals(head.Weight, embedding.Weight);
        if (head is not null && !tied)
            head.Replace(Resized(head.Weight), head.Bias is { } bias ? Resized(bias.unsqueeze(1)).squeeze(1) : null);
        embedding.Replace(Resized(embedding.Weight));
        if (tied)
        {
            head!.TieWeight(embedding);
            if (head.Bias is { } bias) head.ReplaceBias(Resized(bias.unsqueeze(1)).squeeze(1));
        }
        model.SetVocabulary(count);
        return count;

        Tensor Resized(Tensor old)
        {
            var known = old.size(0);
            return count <= known ? old.narrow(0, 0, count).clone() : cat([old, NewRows(old, count - known, rows, model.Config.InitializerRange, generator)], 0);
        }
    }

    private static bool HasRowPerToken(PretrainedModel model)
        => model.TaskType is "CAUSAL_LM" or "SEQ_2_SEQ_LM" && model.HeadModule!.Storage.Shape[0] == model.InputEmbeddings.Storage.Shape[0];

    private static Tensor NewRows(Tensor old, long count, NewTokenRows rows, double deviation, Generator generator)
    {
        var (known, width) = (old.size(0), old.size(1));
        if (rows == NewTokenRows.Random) return empty(count, width, ScalarType.Float32, old.device).normal_(0, deviation, generator).to_type(old.dtype);
        var wide = old.to_type(ScalarType.Float32);
        var mean = wide.mean([0], keepdim: true);
        if (rows == NewTokenRows.Mean) return mean.expand(count, width).to_type(old.dtype);
        // With z from N(0, 1), z·(W − mean)/√n has the covariance of W's rows, so no factorization of a covariance matrix is needed.
        var z = empty(count, known, ScalarType.Float32, old.device).normal_(0, 1, generator);
        var noise = z.mm(wide).sub(z.sum(dim: 1, keepdim: true).mul(mean));
        return mean.add(noise.mul(Constant(Math.Sqrt(CovarianceScale / known))), One).to_type(old.dtype);
    }
}
