using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>
/// Packs the sequences of a padded batch into one row, so that nothing is computed for padding, and restores the batch's shape. A prompt that several rows share, such as those of a
/// chosen and a rejected completion, is packed once, and each completion continues it.
/// </summary>
internal sealed class PackedRows : IDisposable
{
    private readonly Tensor kept;   // indices of the packed tokens among [batch · sequence]
    private readonly long rows, width;

    private PackedRows(ModelInput input, Tensor labels, Layout layout)
    {
        (rows, width) = (labels.size(0), labels.size(1));
        var device = labels.device;
        kept = tensor(layout.Kept.ToArray(), device: device).DetachFromDisposeScope();
        Tensor Packed(Tensor tensor) => tensor.reshape(-1).index_select(0, kept).unsqueeze(0).DetachFromDisposeScope();
        Labels = Packed(labels);
        Input = new()
        {
            InputIds = Packed(input.InputIds!),
            PositionIds = input.PositionIds is { } given ? Packed(given.expand(rows, -1)) : tensor(layout.Positions.ToArray(), [1, layout.Positions.Count], device: device).DetachFromDisposeScope(),
            TokenTypeIds = input.TokenTypeIds is { } types ? Packed(types) : null,
            PackedLengths = layout.Lengths,
            PackedParents = layout.Parents.TrueForAll(parent => parent < 0) ? null : layout.Parents,
        };
    }

    /// <summary>The packed input.</summary>
    public ModelInput Input { get; }

    /// <summary>The labels, <c>[1, tokens]</c>.</summary>
    public Tensor Labels { get; }

    /// <summary>Packs a batch; null if that saves nothing, or if the model or its adapters do not support packing.</summary>
    /// <param name="model">The model.</param>
    /// <param name="input">Token ids <c>[batch, sequence]</c>, and their mask if there is padding.</param>
    /// <param name="labels">Labels <c>[batch, sequence]</c>.</param>
    public static PackedRows? Of(CausalLM model, ModelInput input, Tensor labels)
    {
        if (!TorchRuntime.Cpu.UnpaddedBatches || labels.dim() != 2 || input is not { InputIds: { } ids, PackedLengths: null, Cache: null, Prefix: null } || !Fits(ids, labels) || (input.AttentionMask is { } mask && !Fits(mask, labels))) return null;
        var peft = PeftModel.Of(model);
        if (model.Prompts is not null || !model.RowsMayBePacked || model.Spec.Positions == PositionRule.TokensButPadding) return null;
        using var scope = NewDisposeScope();
        var layout = new Layout(Values(ids.to_type(ScalarType.Int64)), input.AttentionMask is null ? null : Values(input.AttentionMask.ne(Constant(0)).to_type(ScalarType.Int64)),
            Values(labels.to_type(ScalarType.Int64)), (int)labels.size(1), model.Spec.Positions == PositionRule.All);
        // Layers that mix positions would treat a prompt and a completion as two sequences.
        var shares = TorchRuntime.Cpu.SharedPrompts && input is { PositionIds: null, TokenTypeIds: null } && peft?.ActsOnPositions != false;
        return layout.Fill(shares) && layout.Kept.Count < labels.numel() ? new(input, labels, layout) : null;
    }

    private static bool Fits(Tensor tensor, Tensor labels) => !tensor.IsInvalid && tensor.shape.SequenceEqual(labels.shape);

    private static long[] Values(Tensor tensor) => tensor.cpu().contiguous().data<long>().ToArray();

    /// <summary>The predictions <c>[1, tokens − 1]</c> of the packed tokens in the shape of the batch, <c>[batch, sequence − 1]</c>, 0 elsewhere.</summary>
    public TokenPredictions Unpack(TokenPredictions packed)
    {
        using var scope = NewDisposeScope();
        // A token is predicted at the previous position: the last position of a row predicts nothing.
        var at = kept.narrow(0, 0, kept.size(0) - 1);
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

    /// <summary>The packed tokens and their sequences.</summary>
    /// <param name="ids">Token ids in row order.</param>
    /// <param name="real">1 for tokens and 0 for padding; null without padding.</param>
    /// <param name="labels">Labels.</param>
    /// <param name="width">Length of a row.</param>
    /// <param name="countsPadding">True if positions count padding.</param>
    private sealed class Layout(long[] ids, long[]? real, long[] labels, int width, bool countsPadding)
    {
        public List<int> Lengths { get; } = [];

        public List<int> Parents { get; } = [];

        public List<long> Positions { get; } = [];

        public List<long> Kept { get; } = [];

        /// <summary>Packs the rows. Returns false if the result depends on their padding.</summary>
        public bool Fill(bool shares)
        {
            var found = new List<(int Start, int First, int Prompt, int End)>();
            for (var start = 0; start < ids.Length; start += width)
            {
                var (first, end) = (0, width);
                if (real is not null)
                {
                    ReadOnlySpan<long> row = real.AsSpan(start, width);
                    (first, end) = (row.IndexOf(1), row.LastIndexOf(1) + 1);
                    if (end == 0) first = 0;
                    // Padding between tokens increases their distance.
                    if (row[first..end].Contains(0)) return false;
                }
                // Labels that are predicted from padding, or are padding, would be lost in the packed row.
                if (IsLabelled(start, 0, first == 0 ? 0 : Math.Min(first + 1, width)) || IsLabelled(start, end, width)) return false;
                if (end > first) found.Add((start, first, Math.Max(first, FirstLabel(start, end) - 1), end));
            }
            // The last token of a prompt predicts the first one of its completion, so it belongs to the completion.
            foreach (var group in found.GroupBy(row => shares && row.Prompt > row.First ? Key(row.Start, row.First, row.Prompt) : $"row {row.Start}"))
            {
                var alone = group.Count() == 1;
                var (start, first, prompt, _) = group.First();
                var parent = alone ? -1 : Add(start, first, first, prompt, -1);
                foreach (var row in group) Add(row.Start, row.First, alone ? row.First : row.Prompt, row.End, parent);
            }
            return Lengths.Count > 0;
        }

        private bool IsLabelled(int start, int from, int to) => from < to && labels.AsSpan(start + from, to - from).ContainsAnyExcept(Batch.IgnoredLabel);

        // The index of the first label that is predicted; the end if there is none.
        private int FirstLabel(int start, int end)
        {
            var at = labels.AsSpan(start + 1, Math.Max(end - 1, 0)).IndexOfAnyExcept(Batch.IgnoredLabel);
            return at < 0 ? end : at + 1;
        }

        // Equal for equal prompts at equal positions.
        private string Key(int start, int first, int prompt)
            => $"{(countsPadding ? first : 0)} {new string(MemoryMarshal.Cast<long, char>(ids.AsSpan(start + first, prompt - first)))}";

        private int Add(int start, int first, int from, int to, int parent)
        {
            Lengths.Add(to - from);
            Parents.Add(parent);
            for (var i = from; i < to; i++)
            {
                Positions.Add(countsPadding ? i : i - first);
                Kept.Add(start + i);
            }
            return Lengths.Count - 1;
        }
    }
}
