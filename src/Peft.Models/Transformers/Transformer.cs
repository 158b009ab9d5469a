using System.Runtime.InteropServices;
using Peft.Kernels;
using Peft.Modules;
using TorchSharp.Modules;
using static TorchSharp.torch;
using Embedding = Peft.Modules.Embedding;

namespace Peft.Models;

/// <summary>A stack of layers with its embeddings, without a head: token ids to hidden states <c>[batch, sequence, hidden]</c>.</summary>
internal sealed class Transformer : Backbone
{
    private readonly Embedding embedding;
    private readonly Embedding? positions, tokenTypes;
    private readonly RelativeBias[] relatives = [];
    private readonly RelativeTable? relativeTable;
    private readonly ModuleList<TransformerLayer> layers;
    private readonly AdaptableModule? embeddingNorm, embeddingProjection, finalNorm;
    private readonly RotaryTable? rotary, windowRotary;
    private readonly TransformerSpec spec;
    private Func<TransformerLayer[]> running;   // called in each forward pass
    private LayerAlone? alone;

    public Transformer(TransformerSpec spec, Placement at, Embedding? shared = null)
    {
        this.spec = spec;
        var names = spec.Names;
        var width = spec.EmbeddingSize ?? spec.HiddenSize;
        embedding = shared ?? new Embedding(spec.VocabularySize, width, at.Type, at.EmbeddingDevice);
        if (shared is null) this.Place(names.Embedding, embedding);
        if (spec.LearnedPositionOffset is { } offset)
        {
            positions = new Embedding(spec.MaxPositions + offset, width, at.Type, at.Device);
            this.Place(names.Positions, positions);
        }
        if (spec.TokenTypeCount > 0) this.Place(names.TokenTypes, tokenTypes = new Embedding(spec.TokenTypeCount, width, at.Type, at.Device));
        if (spec.EmbeddingNorm) this.Place(names.EmbeddingNorm, embeddingNorm = TransformerParts.Norm(spec, width, at));
        if (spec.EmbeddingSize is not null) this.Place(names.EmbeddingProjection, embeddingProjection = new Modules.Linear(width, spec.HiddenSize, true, at.Type, at.Device));
        layers = new ModuleList<TransformerLayer>([.. Enumerable.Range(0, spec.SharedLayers.Count == 0 ? spec.LayerCount : spec.SharedLayers.Max() + 1).Select(i => new TransformerLayer(spec, i, at))]);
        TransformerLayer[] own = spec.SharedLayers.Count == 0 ? [.. layers] : [.. spec.SharedLayers.Select(index => layers[index])];
        running = () => own;
        if (names.InnerLayers is null) this.Place(names.Layers, layers);
        else for (var i = 0; i < layers.Count; i++) this.Place($"{names.Layers}.{i / spec.InnerLayerCount}.{names.InnerLayers}.{i % spec.InnerLayerCount}", layers[i]);
        if (!spec.PostNorm) this.Place(names.FinalNorm, finalNorm = TransformerParts.Norm(spec, spec.HiddenSize, at));
        if (spec.RelativePositions is { } relativePositions)
        {
            relatives = [.. Enumerable.Range(0, relativePositions.PerLayer ? spec.LayerCount : 1).Select(_ => new RelativeBias(relativePositions, spec.HeadCount, spec.Causal, at))];
            if (names.StackRelativePositions is { } path) this.Place(path, relatives[0].Table);
            else for (var i = 0; i < relatives.Length; i++) layers[i].Place($"{names.Attention}.{names.RelativePositions}", relatives[i].Table);
        }
        if (spec.Disentangled is { Span: > 0 } disentangled)
        {
            relativeTable = new RelativeTable(disentangled, spec, at);
            this.Place(names.StackRelativePositions!, relativeTable.Table);
            if (relativeTable.Norm is { } norm) this.Place(names.RelativePositionsNorm, norm);
        }
        if (spec.Rotary is { } main) rotary = new RotaryTable(main, spec.HeadSize);
        if (spec.WindowRotary is { } other) windowRotary = new RotaryTable(other, spec.HeadSize);
    }

    /// <inheritdoc/>
    public override Embedding Embedding => embedding;

    /// <inheritdoc/>
    public override bool CheckpointActivations { get; set; }

    // The model may contain the children but not this module, so this module's training mode can be out of date.
    private bool Trains => layers[0].training;

    /// <inheritdoc/>
    public override IDisposable Reorder(IReadOnlyList<int> order, Func<bool> isActive)
        => spec.SharedLayers.Count == 0 ? new LayerOrder(spec, layers, order, isActive, chosen => running = chosen)
            : throw new AdapterOptionsException($"The adapter reorders the layers to [{string.Join(", ", order)}], but the layers of this model share their weights: omit the order.");

    /// <inheritdoc/>
    public override IReadOnlyList<TransformerLayer> Layers => spec.SharedLayers.Count == 0 ? running() : [];

    /// <inheritdoc/>
    public override IDisposable RunOnly(int layer, Tensor? input, Action<Tensor> output)
    {
        alone = new(layer, input, output, () => alone = null);
        return alone;
    }

    /// <inheritdoc/>
    public override Tensor forward(ModelInput input) => Run(input, null, null);

    /// <summary>The hidden states of a stack, which may be a decoder with cross-attention to an encoder's output.</summary>
    /// <param name="input">The input of this stack.</param>
    /// <param name="encoded">The encoder's output <c>[batch, source, hidden]</c>; null without an encoder.</param>
    /// <param name="encodedMask">1 for real positions of the encoder, 0 for padding, <c>[batch, source]</c>; null if all are real.</param>
    public Tensor Run(ModelInput input, Tensor? encoded, Tensor? encodedMask)
    {
        using var scope = NewDisposeScope();
        var embeddings = Embed(input);
        var shape = embeddings.Sizes();
        var context = Prepare(input, (int)shape[0], (int)shape[1], embeddings.dtype, embeddings.device);
        using var held = context.Hold();
        using var known = context.Enter();
        if (encoded is not null) context.Encoder = new(encoded, SourcePattern(encoded, encodedMask, context), new PassPositions { Rows = context.Batch, Real = encodedMask });
        context.Biases = spec.Alibi is { } alibi ? [alibi.Of(context.Past + context.Length, context.KeyMask, context.Type, context.Device)]
            : [.. relatives.Select(relative => relative.Of(context.Past, context.Length, context.Type))];
        context.Relative = relativeTable?.Of(context.Length, context.Device);
        var hidden = AddPositions(embeddings, input, context);
        var checkpoints = CheckpointActivations && is_grad_enabled() && context.Cache is null && !input.SharesGraph && !SharesGraph(context);
        var stack = running();
        if (alone is { } only)
        {
            context.Layer = only.Index;
            only.Output(stack[only.Index].call(only.Input ?? hidden, context));
        }
        for (var i = 0; i < stack.Length; i++)
        {
            context.Layer = i;
            var next = checkpoints ? CheckpointedLayer.Run(stack[i], hidden, context) : stack[i].call(hidden, context);
            hidden.Dispose();
            hidden = next;
        }
        context.Cache?.Advance(context.Prefix is null ? context.Added : context.Past + context.Length, context.PromptLengths is { } prompts ? Padded(input.InputIds!, prompts) : context.Tokens?.Ids);
        if (finalNorm is not null) hidden = finalNorm.call(hidden);
        return Drop(hidden, spec.FinalDropout).MoveToOuterDisposeScope();
    }

    // A graph shared by several layers would be traversed in the backward pass of each layer, but the first one frees it.
    private static bool SharesGraph(ForwardContext context)
        => context.Biases.Any(bias => bias.requires_grad) || context.Relative?.States.requires_grad == true || context.Prefix?.Any(pair => pair.Keys.requires_grad || pair.Values.requires_grad) == true;

    private static AttentionPattern SourcePattern(Tensor encoded, Tensor? mask, ForwardContext context)
    {
        var length = (int)encoded.size(1);
        using var visible = KeyMask(mask, (int)encoded.size(0), length, 0);
        var pattern = AttentionPattern.Create(context.Length, length, null, visible, context.Type, context.Device, causal: false);
        pattern.Mask?.DetachFromDisposeScope();
        return pattern;
    }

    private Tensor Embed(ModelInput input)
    {
        if (input.Embeddings is { } given) return spec.EmbeddingScale == 1 || spec.ScalesAtLookup ? given.alias() : given.mul(Constant(spec.EmbeddingScale));
        var ids = input.InputIds ?? throw new ArgumentException("A forward pass needs InputIds or Embeddings.", nameof(input));
        var looked = LookUp(embedding, ids);
        if (spec.EmbeddingScale == 1) return looked;
        using (looked) return looked.mul(Constant(spec.EmbeddingScale));
    }

    /// <summary>The embeddings of token ids, unscaled.</summary>
    /// <exception cref="ArgumentException">An id is outside the vocabulary, or the ids are on another device.</exception>
    internal static Tensor LookUp(Embedding embedding, Tensor ids)
    {
        try
        {
            return embedding.call(ids);
        }
        // Only checked after torch has failed: reading the ids back would slow down every pass.
        catch (Exception error) when (IsNative(error) && TensorRules.Outside(ids, embedding.Storage.Shape[0]) is not null)
        {
            throw InputRules.Unknown(TensorRules.Outside(ids, embedding.Storage.Shape[0])!.Value, embedding.Storage.Shape[0], nameof(ids));
        }
        catch (Exception error) when (IsNative(error) && ids.device.ToString() != embedding.Storage.Device.ToString())
        {
            throw new ArgumentException($"The token ids are on {ids.device}, but the model is on {embedding.Storage.Device}: move them with ids.to(device).", nameof(ids));
        }
    }

    private static bool IsNative(Exception error) => error is ExternalException or ArgumentOutOfRangeException or ArgumentException { InnerException: ExternalException };

    private ForwardContext Prepare(ModelInput input, int batch, int length, ScalarType type, Device device)
    {
        var cached = input.Cache?.Length ?? 0;
        var prefix = cached == 0 ? input.Prefix : null;
        var past = prefix is { Count: > 0 } ? (int)prefix[0].Keys.size(2) : cached;
        if (input.Cache is not null && !spec.Causal)
            throw new ArgumentException("An encoder does not support a cache: its tokens attend to later ones, so cached keys and values would become invalid. Pass the whole input.", nameof(input));
        if (cached > 0 && input.Cache!.LayerCount != running().Length)
            throw new ArgumentException($"The cache has {input.Cache.LayerCount} layers, but the model has {running().Length}: it is the cache of a different model. Use a new one.", nameof(input));
        if (input.PackedLengths is { } packed) CheckPacked(input, packed, batch, length, past);
        return new ForwardContext
        {
            Pass = input.Pass,
            Batch = batch, Length = length, Past = past, VirtualTokens = input.VirtualTokens, Type = type, Device = device,
            Causal = spec.Causal, Cache = input.Cache, Prefix = prefix, CutsPrefix = spec.CutsPrefixes, PrefixGates = input.PrefixGates, InAttention = input.InAttention, PromptLengths = input.PromptLengths, PackedLengths = input.PackedLengths, PackedParents = input.PackedParents,
            KeyMask = KeyMask(input.AttentionMask, batch, length, past), CountedPositions = input.CountedPositions?.alias(), Tokens = Tokens(input),
        };
    }

    // The prompts as rows, as in the cache.
    private static Tensor Padded(Tensor ids, IReadOnlyList<int> lengths)
    {
        using var scope = NewDisposeScope();
        var rows = zeros([lengths.Count, lengths.Max()], ids.dtype, ids.device);
        long start = 0;
        for (var row = 0; row < lengths.Count; start += lengths[row++]) rows[row].narrow(0, rows.size(1) - lengths[row], lengths[row]).copy_(ids.narrow(0, start, lengths[row]).squeeze(1));
        return rows.MoveToOuterDisposeScope();
    }

    private static PassTokens? Tokens(ModelInput input)
    {
        if ((input.Embeddings is null ? input.InputIds : input.TokenIds) is not { } ids) return null;
        if (input.Cache is not { Length: > 0 } cache) return new PassTokens(ids, input.PackedLengths);
        if (cache.Tokens is not { } before) return null;
        using var all = cat([before, ids], 1);
        return new PassTokens(all);
    }

    private void CheckPacked(ModelInput input, IReadOnlyList<int> packed, int batch, int length, int past)
    {
        var sum = packed.Sum(each => (long)each);
        if (batch != 1 || sum != length || packed.Any(each => each < 1))
            throw new ArgumentException($"Packed sequences must fill a single row, with at least one token each, but their lengths (minimum {packed.DefaultIfEmpty().Min()}) sum to {sum} and the input is [{batch}, {length}].", nameof(input));
        if (spec.RelativePositions is not null || spec.Disentangled is not null) throw new ArgumentException("Relative positions do not support packed batches: pass the sequences as rows.", nameof(input));
        if (past > 0 || input.Cache is not null)
            throw new ArgumentException("A packed batch cannot have a cache or a prefix: pass its sequences as rows.", nameof(input));
    }

    /// <summary>The mask over all keys; null if it masks none.</summary>
    private static Tensor? KeyMask(Tensor? mask, int batch, int length, int past)
    {
        if (mask is null) return null;
        var width = mask.size(1);
        if (mask.size(0) != batch || (width != length && width != past + length))
            throw new ArgumentException(
                $"The attention mask is [{mask.size(0)}, {width}], but the input is [{batch}, {length}] after {past} earlier positions.", nameof(mask));
        using var zero = mask.eq(Constant(0));
        using var any = zero.any();
        if (!any.item<bool>()) return null;
        if (width == past + length) return mask.alias();
        using var before = ones(batch, past, mask.dtype, mask.device);
        return cat([before, mask], 1);
    }

    private Tensor AddPositions(Tensor embeddings, ModelInput input, ForwardContext context)
    {
        var end = context.Past + context.Length;
        using var ids = PositionIds.Of(spec, input, context.KeyMask, context.Past, context.Length, context.Device);
        if (rotary is not null)
        {
            context.Angles = Angles(rotary);
            if (windowRotary is not null) context.WindowAngles = Angles(windowRotary);
        }
        var hidden = AddTokenTypes(embeddings, input);
        if (positions is not null)
        {
            var count = ids is null ? end : LargestOf(ids) + 1;
            if (count > spec.MaxPositions)
                throw new ArgumentException($"The sequence has {count} positions, but the model has only {spec.MaxPositions} learned positions: truncate the input (blockSize of a TextDataset, MaxLength of other datasets). Virtual tokens count too.", nameof(input));
            using var shifted = ids is null
                ? arange(Constant(context.Past + spec.LearnedPositionOffset!.Value), Constant(end + spec.LearnedPositionOffset.Value), One, ScalarType.Int64, context.Device).unsqueeze(0)
                : ids.add(Constant(spec.LearnedPositionOffset!.Value), One);
            using var learned = positions.call(shifted);
            using var without = hidden;
            hidden = without.add(learned, One);
        }
        if (embeddingNorm is not null)
        {
            using var raw = hidden;
            hidden = embeddingNorm.call(raw);
        }
        if (spec.Disentangled is not null && context.KeyMask is { } real)
        {
            using var raw = hidden;
            hidden = raw.mul(real.ne(Constant(0)).to_type(raw.dtype).unsqueeze(-1));   // as in transformers
        }
        hidden = Drop(hidden, spec.EmbeddingDropout);
        if (embeddingProjection is null) return hidden;
        using (hidden) return embeddingProjection.call(hidden);

        RotaryAngles Angles(RotaryTable table) => ids is null
            ? table.Slice(context.Past, context.Length, context.Type, context.Device)
            : table.Pick(ids, Limit(ids, input, end), context.Type, context.Device);
    }

    private Tensor AddTokenTypes(Tensor embeddings, ModelInput input)
    {
        if (tokenTypes is null)
        {
            if (input.TokenTypeIds is not null) throw new ArgumentException("The model has no token types: omit TokenTypeIds.", nameof(input));
            return embeddings;
        }
        if (input.TokenTypeIds is { } given && given.size(-1) != embeddings.size(1))
            throw new ArgumentException($"TokenTypeIds are [{string.Join(", ", given.shape)}], but the input has {embeddings.size(1)} positions.", nameof(input));
        using var first = input.TokenTypeIds is null ? zeros(1, embeddings.size(1), ScalarType.Int64, embeddings.device) : null;
        using var kinds = tokenTypes.call(input.TokenTypeIds ?? first!);
        using (embeddings) return embeddings.add(kinds, One);
    }

    private Tensor Drop(Tensor hidden, double probability)
    {
        if (!Trains || probability == 0) return hidden;
        using (hidden) return DropoutMask.Run(hidden, probability);
    }

    private static long Limit(Tensor ids, ModelInput input, int end)
    {
        if (input.PositionIds is null) return end;
        return Math.Max(end, LargestOf(ids) + 1);
    }

    private static long LargestOf(Tensor ids)
    {
        using var largest = ids.max();
        return largest.item<long>();
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
