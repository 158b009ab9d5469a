using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>Packs the sequences of a padded batch into one row, so that nothing is computed for padding, and restores the batch's shape.</summary>
internal sealed class UnpaddedInput : IDisposable
{
    private readonly Tensor kept;   // indices of the tokens among [batch · sequence]
    private readonly long rows, width;

    private UnpaddedInput(TransformerSpec spec, ModelInput input, List<int> lengths, List<long> indices)
    {
        (rows, width) = (input.InputIds!.size(0), input.InputIds.size(1));
        kept = tensor(indices.ToArray()).DetachFromDisposeScope();
        using var positions = PositionIds.Of(spec, input, input.AttentionMask, 0, (int)width, CPU);
        Input = input with
        {
            InputIds = Packed(input.InputIds),
            PositionIds = positions is null ? tensor(indices.Select(index => index % width).ToArray(), [1, indices.Count]).DetachFromDisposeScope() : Packed(positions),
            TokenTypeIds = input.TokenTypeIds is { } types ? Packed(types) : null,
            AttentionMask = null,
            PackedLengths = lengths,
        };
    }

    /// <summary>The packed input, <c>[1, tokens]</c>.</summary>
    public ModelInput Input { get; }

    /// <summary>Packs an input; null if there is no padding, or if the model, its adapters or the caller require padded rows.</summary>
    /// <param name="model">The model.</param>
    /// <param name="input">The input, which fits the model.</param>
    /// <param name="read">True where the caller reads hidden states, <c>[batch or 1, sequence]</c>; null for tokens only. If padding is read, it must be computed.</param>
    public static UnpaddedInput? Of(PretrainedModel model, ModelInput input, Tensor? read)
    {
        if (input is not { InputIds: { } ids, AttentionMask: { } mask, PackedLengths: null, Cache: null, Prefix: null, PrefixGates: null, InAttention.Count: 0 } || !mask.shape.SequenceEqual(ids.shape)) return null;
        if (!TorchRuntime.Cpu.UnpaddedBatches) return null;
        // On other devices the attention of packed sequences runs one sequence at a time.
        if (ids.device_type != DeviceType.CPU || model.Spec.Kind == TransformerKind.EncoderDecoder || model.Prompts is not null || !model.RowsMayBePacked) return null;
        // Observers select positions by the mask of the batch.
        if (PeftModel.Of(model)?.IsObserved == true) return null;
        using var scope = NewDisposeScope();
        var real = mask.ne(Constant(0));
        // If read does not match the input, the padded pass throws.
        if (read is not null && (read.dim() != 2 || read.size(1) != ids.size(1) || (read.size(0) != 1 && read.size(0) != ids.size(0)) || read.gt(real).any().item<bool>())) return null;
        var (lengths, indices) = (new List<int>(), new List<long>());
        return Fill(real.to_type(ScalarType.Byte).contiguous(), lengths, indices) && indices.Count < ids.numel() ? new(model.Spec, input, lengths, indices) : null;
    }

    // False for padding between tokens, which increases their distance, and for a row without tokens, which attends to its padding.
    private static bool Fill(Tensor real, List<int> lengths, List<long> indices)
    {
        var bytes = real.bytes;
        var width = (int)real.size(1);
        for (var start = 0; start < bytes.Length; start += width)
        {
            var row = bytes.Slice(start, width);
            var (first, end) = (row.IndexOf((byte)1), row.LastIndexOf((byte)1) + 1);
            if (end == 0 || row[first..end].Contains((byte)0)) return false;
            lengths.Add(end - first);
            for (var i = first; i < end; i++) indices.Add(start + i);
        }
        return true;
    }

    private Tensor Packed(Tensor perPosition)
    {
        using var all = perPosition.expand(rows, width).reshape(-1);
        using var chosen = all.index_select(0, kept);
        return chosen.unsqueeze(0).DetachFromDisposeScope();
    }

    /// <summary>Restores the batch's shape, <c>[batch, sequence, hidden]</c>, of hidden states <c>[1, tokens, hidden]</c> of the packed tokens, with 0 for padding.</summary>
    public Tensor Unpack(Tensor packed)
    {
        using var tokens = packed.squeeze(0);
        using var none = zeros(rows * width, tokens.size(1), packed.dtype, packed.device);
        using var all = none.index_copy(0, kept, tokens);
        return all.view(rows, width, tokens.size(1));
    }

    public void Dispose()
    {
        foreach (var tensor in new[] { kept, Input.InputIds, Input.PositionIds, Input.TokenTypeIds }) tensor?.Dispose();
    }
}
