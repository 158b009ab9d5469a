using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>The real tokens of a padded batch as sequences packed into one row, so that nothing is computed for padding, and the way back to the batch's shape.</summary>
internal sealed class PaddingFreeBatch : IDisposable
{
    private readonly Tensor kept;   // indices of the real tokens among [batch · sequence]
    private readonly long rows, width;

    private PaddingFreeBatch(ModelInput input, Tensor labels, IReadOnlyList<int> lengths, long[] positions, long[] kept)
    {
        (rows, width) = (labels.shape[0], labels.shape[1]);
        var device = labels.device;
        this.kept = tensor(kept, device: device).DetachFromDisposeScope();
        Tensor Packed(Tensor tensor) => tensor.reshape(-1).index_select(0, this.kept).unsqueeze(0).DetachFromDisposeScope();
        Labels = Packed(labels);
        Input = new()
        {
            InputIds = Packed(input.InputIds!),
            PositionIds = input.PositionIds is { } given ? Packed(given.expand(rows, -1)) : tensor(positions, [1, positions.Length], device: device).DetachFromDisposeScope(),
            TokenTypeIds = input.TokenTypeIds is { } types ? Packed(types) : null,
            PackedLengths = lengths,
        };
    }

    /// <summary>The packed input.</summary>
    public ModelInput Input { get; }

    /// <summary>The labels, <c>[1, tokens]</c>.</summary>
    public Tensor Labels { get; }

    /// <summary>Packs a batch; null if it has no padding, or if the model and its adapters need the rows as they are.</summary>
    /// <param name="model">The model.</param>
    /// <param name="input">Token ids and their mask, <c>[batch, sequence]</c>.</param>
    /// <param name="labels">Labels <c>[batch, sequence]</c>.</param>
    public static PaddingFreeBatch? Of(CausalLM model, ModelInput input, Tensor labels)
    {
        if (labels.dim() != 2 || input is not { InputIds: { } ids, AttentionMask: { } mask, PackedLengths: null, Cache: null, Prefix: null } || !Fits(ids, labels) || !Fits(mask, labels)) return null;
        if (model.Prompts is not null || !model.RowsDependOnThemselves || PeftModel.Of(model)?.MixesPositions == true || model.Spec.Positions == PositionRule.TokensButPadding) return null;
        using var scope = NewDisposeScope();
        var real = mask.ne(Constant(0)).cpu().contiguous().data<bool>().ToArray();
        if (!real.AsSpan().Contains(false)) return null;
        var wanted = labels.ne(Constant(Batch.IgnoredLabel)).cpu().contiguous().data<bool>().ToArray();
        var width = (int)labels.shape[1];
        var (lengths, positions, kept) = (new List<int>(), new List<long>(), new List<long>());
        for (var start = 0; start < real.Length; start += width)
        {
            Span<bool> row = real.AsSpan(start, width), labelled = wanted.AsSpan(start, width);
            var (first, end) = (row.IndexOf(true), row.LastIndexOf(true) + 1);
            if (end == 0) (first, end) = (0, 0);
            // Padding between real tokens counts as distance, and what padding predicts has no place in the packed row.
            if (row[first..end].Contains(false) || labelled[..Math.Min(first > 0 ? first + 1 : 0, width)].Contains(true) || labelled[end..].Contains(true)) return null;
            if (end == 0) continue;
            lengths.Add(end - first);
            for (var i = first; i < end; i++)
            {
                positions.Add(model.Spec.Positions == PositionRule.All ? i : i - first);
                kept.Add(start + i);
            }
        }
        return lengths.Count == 0 ? null : new(input, labels, lengths, [.. positions], [.. kept]);
    }

    private static bool Fits(Tensor tensor, Tensor labels) => !tensor.IsInvalid && tensor.shape.SequenceEqual(labels.shape);

    /// <summary>The predictions <c>[1, tokens − 1]</c> of the packed tokens in the shape of the batch, <c>[batch, sequence − 1]</c>, 0 elsewhere.</summary>
    public TokenPredictions Unpack(TokenPredictions packed)
    {
        using var scope = NewDisposeScope();
        // A prediction lies at the position before its token: the last position of a row predicts nothing.
        var at = kept.narrow(0, 0, kept.shape[0] - 1);
        Tensor? Spread(Tensor? values) => values is null ? null
            : zeros(rows * width, ScalarType.Float32, values.device).index_copy(0, at, values.reshape(-1)).view(rows, width).narrow(1, 0, width - 1).MoveToOuterDisposeScope();
        return new(Spread(packed.LogProbabilities)!, Spread(packed.Mask)!)
        {
            Entropy = Spread(packed.Entropy), LogSquaredSum = Spread(packed.LogSquaredSum), MeanLogit = Spread(packed.MeanLogit), IsGreedy = Spread(packed.IsGreedy),
        };
    }

    public void Dispose()
    {
        foreach (var tensor in new[] { kept, Labels, Input.InputIds, Input.PositionIds, Input.TokenTypeIds }) tensor?.Dispose();
    }
}
