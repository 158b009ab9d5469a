using Peft.Modules;
using TorchSharp.Modules;
using Embedding = Peft.Modules.Embedding;
using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>A decoder-only transformer without its head: token ids to hidden states <c>[batch, sequence, hidden]</c>.</summary>
internal sealed class Decoder : nn.Module<ModelInput, Tensor>
{
    private readonly Embedding embedding;
    private readonly Embedding? positions;
    private readonly ModuleList<DecoderLayer> layers;
    private readonly AdaptableModule finalNorm;
    private readonly RotaryTable? rotary, windowRotary;
    private readonly DecoderSpec spec;

    public Decoder(DecoderSpec spec, Placement at) : base("")
    {
        this.spec = spec;
        var names = spec.Names;
        register_module(names.Embedding, embedding = new Embedding(spec.VocabularySize, spec.HiddenSize, at.Type, at.Device));
        if (spec.LearnedPositionOffset is { } offset)
        {
            positions = new Embedding(spec.MaxPositions + offset, spec.HiddenSize, at.Type, at.Device);
            register_module(names.Positions, positions);
        }
        layers = new ModuleList<DecoderLayer>([.. Enumerable.Range(0, spec.LayerCount).Select(i => new DecoderLayer(spec, i, at))]);
        register_module(names.Layers, layers);
        register_module(names.FinalNorm, finalNorm = DecoderParts.Norm(spec, spec.HiddenSize, at));
        if (spec.Rotary is { } main) rotary = new RotaryTable(main, spec.HeadSize);
        if (spec.WindowRotary is { } other) windowRotary = new RotaryTable(other, spec.HeadSize);
    }

    /// <summary>The token embedding.</summary>
    public Embedding Embedding => embedding;

    /// <summary>Whether layers are run again in the backward pass instead of keeping what they computed.</summary>
    public bool CheckpointActivations { get; set; }

    /// <inheritdoc/>
    public override Tensor forward(ModelInput input)
    {
        using var scope = NewDisposeScope();
        var embeddings = Embed(input);
        var shape = embeddings.shape;
        var context = Prepare(input, (int)shape[0], (int)shape[1], embeddings.dtype, embeddings.device);
        using var held = context.Hold();
        var hidden = AddPositions(embeddings, input, context);
        var checkpoints = CheckpointActivations && is_grad_enabled() && context.Cache is null;
        for (var i = 0; i < layers.Count; i++)
        {
            context.Layer = i;
            var next = checkpoints ? CheckpointedLayer.Run(layers[i], hidden, context) : layers[i].call(hidden, context);
            hidden.Dispose();
            hidden = next;
        }
        context.Cache?.Advance(context.Prefix is null ? context.Length : context.Past + context.Length);
        return finalNorm.call(hidden).MoveToOuterDisposeScope();
    }

    private Tensor Embed(ModelInput input)
    {
        if (input.Embeddings is { } given) return spec.EmbeddingScale == 1 ? given.alias() : given.mul(spec.EmbeddingScale);
        var ids = input.InputIds ?? throw new ArgumentException("A forward pass needs InputIds or Embeddings.", nameof(input));
        var looked = embedding.call(ids);
        if (spec.EmbeddingScale == 1) return looked;
        using (looked) return looked.mul(spec.EmbeddingScale);
    }

    private ForwardContext Prepare(ModelInput input, int batch, int length, ScalarType type, Device device)
    {
        var cached = input.Cache?.Length ?? 0;
        var prefix = cached == 0 ? input.Prefix : null;
        var past = prefix is { Count: > 0 } ? (int)prefix[0].Keys.shape[2] : cached;
        if (input.PackedLengths is { } packed) CheckPacked(input, packed, batch, length, past);
        if (positions is not null && past + length > spec.MaxPositions)
            throw new ArgumentException(
                $"The sequence has {past + length} positions, but the model has learned {spec.MaxPositions} only: cut the input.", nameof(input));
        return new ForwardContext
        {
            Batch = batch, Length = length, Past = past, Type = type, Device = device,
            Cache = input.Cache, Prefix = prefix, PackedLengths = input.PackedLengths,
            KeyMask = KeyMask(input.AttentionMask, batch, length, past),
        };
    }

    private static void CheckPacked(ModelInput input, IReadOnlyList<int> packed, int batch, int length, int past)
    {
        if (batch != 1 || packed.Sum() != length)
            throw new ArgumentException($"Packed sequences lie in one row and fill it: their lengths sum to {packed.Sum()}, but the input is [{batch}, {length}].", nameof(input));
        if (past > 0 || input.Cache is not null)
            throw new ArgumentException("A packed batch has no cache and no prefix: give its sequences as rows.", nameof(input));
    }

    /// <summary>The mask over all keys, or null if it hides none.</summary>
    private static Tensor? KeyMask(Tensor? mask, int batch, int length, int past)
    {
        if (mask is null) return null;
        var width = mask.shape[1];
        if (mask.shape[0] != batch || (width != length && width != past + length))
            throw new ArgumentException(
                $"The attention mask is [{mask.shape[0]}, {width}], but the input is [{batch}, {length}] after {past} earlier positions.", nameof(mask));
        using var zero = mask.eq(0);
        using var any = zero.any();
        if (!any.item<bool>()) return null;
        if (width == past + length) return mask.alias();
        using var before = ones(batch, past, mask.dtype, mask.device);
        return cat([before, mask], 1);
    }

    private Tensor AddPositions(Tensor embeddings, ModelInput input, ForwardContext context)
    {
        var end = context.Past + context.Length;
        using var ids = Positions(input, context);
        if (rotary is not null)
        {
            context.Angles = Angles(rotary);
            if (windowRotary is not null) context.WindowAngles = Angles(windowRotary);
        }
        var hidden = embeddings;
        if (positions is not null)
        {
            using var shifted = ids is null
                ? arange(context.Past + spec.LearnedPositionOffset!.Value, end + spec.LearnedPositionOffset.Value, ScalarType.Int64, context.Device).unsqueeze(0)
                : ids.add(spec.LearnedPositionOffset!.Value);
            using var learned = positions.call(shifted);
            hidden = embeddings.add(learned);
            embeddings.Dispose();
        }
        if (!training || spec.EmbeddingDropout == 0) return hidden;
        using (hidden) return nn.functional.dropout(hidden, spec.EmbeddingDropout);

        RotaryAngles Angles(RotaryTable table) => ids is null
            ? table.Slice(context.Past, context.Length, context.Type, context.Device)
            : table.Pick(ids, Limit(ids, input, end), context.Type, context.Device);
    }

    private static long Limit(Tensor ids, ModelInput input, int end)
    {
        if (input.PositionIds is null) return end;
        using var largest = ids.max();
        return Math.Max(end, largest.item<long>() + 1);
    }

    /// <summary>Positions <c>[batch, sequence]</c>, or null if they count on from the past alike in every row.</summary>
    private Tensor? Positions(ModelInput input, ForwardContext context)
    {
        if (input.PositionIds is { } given) return given.alias();
        if (context.PackedLengths is { } lengths)
            return tensor(lengths.SelectMany(length => Enumerable.Range(0, length)).Select(i => (long)i).ToArray(), device: context.Device).unsqueeze(0);
        if (context.KeyMask is not { } mask) return null;

        using var scope = NewDisposeScope();
        Tensor all;   // [batch, past + sequence]
        if (spec.PositionsFromMask)
        {
            all = mask.cumsum(1).mul(mask).sub(1);
        }
        else
        {
            var first = mask.ne(0).to_type(ScalarType.Int64).argmax(1, true);   // the first real token has position 0
            all = arange(context.Past + context.Length, ScalarType.Int64, context.Device).unsqueeze(0).sub(first).clamp_(min: 0);
        }
        return all.narrow(1, context.Past, context.Length).to_type(ScalarType.Int64).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            rotary?.Dispose();
            windowRotary?.Dispose();
        }
        base.Dispose(disposing);
    }
}
