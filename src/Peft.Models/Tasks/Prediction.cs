using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>Runs texts through a model: in batches of similar length, in evaluation mode, without gradients, and with the adapters that are active at the start.</summary>
internal static class Prediction
{
    /// <summary>Computes a result for each text, in the order of the texts.</summary>
    /// <param name="model">The model.</param>
    /// <param name="texts">The texts.</param>
    /// <param name="tokenizer">The model's tokenizer.</param>
    /// <param name="batchSize">Number of texts per batch.</param>
    /// <param name="forward">Computes the output for a batch, with a row for each text and optionally a position for each token.</param>
    /// <param name="read">Creates a result from the index of a text and its row of the output.</param>
    public static T[] Run<T>(PretrainedModel model, IReadOnlyList<EncodedText> texts, Tokenizer tokenizer, int batchSize, Func<ModelInput, Tensor> forward, Func<int, float[], T> read)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(batchSize, 1);
        if (texts.Count == 0) return [];
        var peft = PeftModel.Of(model);
        using var mode = new EvaluationMode(model);
        using var folded = peft?.ForInference();
        using var pass = peft?.Pass();
        using var inference = inference_mode();
        // Adapters that are assigned to rows need all rows in one batch, in the given order.
        var together = peft?.RowsAreIndependent == false;
        var order = Enumerable.Range(0, texts.Count);
        var batches = together ? [order.ToArray()] : order.OrderByDescending(i => texts[i].Ids.Length).Chunk(batchSize);
        var results = new T[texts.Count];
        var padding = model.Config.PadTokenId ?? TextEncoder.PaddingOf(tokenizer);
        foreach (var rows in batches)
        {
            using var scope = NewDisposeScope();
            var (ids, mask, types) = EncodedText.Pad([.. rows.Select(row => texts[row])], padding);
            var output = forward(new()
            {
                InputIds = ids.to(model.Device), AttentionMask = mask.to(model.Device),
                TokenTypeIds = model.Spec.TokenTypeCount > 0 ? types?.to(model.Device) : null,
            });
            foreach (var (row, values) in rows.Zip(output.ToRows())) results[row] = read(row, values);
        }
        return results;
    }

    /// <summary>Maximum number of tokens of a text: that of the caller or the tokenizer, limited by the model's positions.</summary>
    public static int? MaxLength(PretrainedModel model, Tokenizer tokenizer, int? wanted)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(tokenizer);
        if (wanted is { } requested) ArgumentOutOfRangeException.ThrowIfLessThan(requested, 1, nameof(PredictionOptions.MaxLength));
        int? positions = model.Spec.LearnedPositionOffset is null ? null : model.Spec.MaxPositions - (model.Prompts?.EmbeddingCount ?? 0);
        return new[] { wanted ?? tokenizer.MaxLength, positions }.Min();
    }

    /// <summary>Converts logits to probabilities that sum to 1.</summary>
    public static double[] Softmax(IEnumerable<float> logits)
    {
        var all = logits.Select(logit => (double)logit).ToArray();
        var largest = all.Max();
        var exponentials = all.Select(logit => Math.Exp(logit - largest)).ToArray();
        var sum = exponentials.Sum();
        return [.. exponentials.Select(each => each / sum)];
    }
}
