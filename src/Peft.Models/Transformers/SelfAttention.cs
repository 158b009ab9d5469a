using Peft.Kernels;
using Peft.Modules;
using Peft.Quantization;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>Self-attention with its projections: <c>[batch, sequence, hidden]</c> to <c>[batch, sequence, hidden]</c>.</summary>
internal sealed class SelfAttention : nn.Module<Tensor, ForwardContext, Tensor>
{
    /// <summary>Number of queries, keys and values above which they are recomputed in training: below, they take little memory, but the time counts.</summary>
    public const long MinRecomputed = 1 << 17;

    private readonly AdaptableModule? query, key, value, joined, queryNorm, keyNorm;
    private readonly AdaptableModule? positionKey, positionQuery;
    private readonly AdaptableModule output;
    private readonly ScaledDotProduct attention;
    private readonly AttentionShape kernel, bidirectional;
    private readonly int heads, keyValueHeads, size, rotated;
    private readonly int? window;
    private readonly ProjectionLayout layout;
    private readonly HeadNorm headNorm;
    private readonly DisentangledPositions? disentangled;
    private readonly bool perHead, windowAngles, isInterleaved;
    private readonly double dropout;

    public SelfAttention(TransformerSpec spec, int layer, Placement at) : base("")
    {
        (heads, keyValueHeads, size) = (spec.HeadCount, spec.KeyValueHeadCount, spec.HeadSize);
        window = spec.Window(layer);
        dropout = spec.AttentionDropout;
        attention = new(spec, layer);
        windowAngles = window is not null && spec.WindowRotary is not null;
        if (spec.RotaryAt(layer) is { } rotary) (rotated, isInterleaved) = (rotary.Rotated(size), rotary.IsInterleaved);
        kernel = new(heads, keyValueHeads, size, rotated, (float)spec.ScoreFactor(layer), window);
        bidirectional = kernel with { Window = null, Causal = false };

        (layout, headNorm) = (spec.AttentionProjections, spec.QueryKeyNorm);
        var names = spec.Names;
        var projections = new List<(string Name, AdaptableModule Module)>();
        if (spec.AttentionProjections == ProjectionLayout.Separate)
        {
            projections.Add((names.Query, query = TransformerParts.Projection(spec, spec.HiddenSize, heads * size, spec.AttentionBias, at)));
            projections.Add((names.Key, key = TransformerParts.Projection(spec, spec.HiddenSize, keyValueHeads * size, spec.AttentionBias, at)));
            projections.Add((names.Value, value = TransformerParts.Projection(spec, spec.HiddenSize, keyValueHeads * size, spec.AttentionBias, at)));
        }
        else
        {
            perHead = spec.AttentionProjections == ProjectionLayout.JoinedPerHead;
            joined = TransformerParts.Projection(spec, spec.HiddenSize, (heads + 2 * keyValueHeads) * size, spec.AttentionBias, at);
            projections.Add((names.QueryKeyValue, joined));
        }
        projections.Add((names.AttentionOutput, output = TransformerParts.Projection(spec, heads * size, spec.HiddenSize, spec.AttentionOutputBias, at)));
        foreach (var (name, module) in projections.OrderBy(each => names.AttentionOrder.ToList().IndexOf(each.Name))) this.Place(name, module);
        disentangled = spec.Disentangled;
        if (disentangled is { SharesProjections: false } positions)
        {
            if (positions.ContentToPosition) this.Place(names.PositionKey, positionKey = TransformerParts.Projection(spec, spec.HiddenSize, heads * size, bias: true, at));
            if (positions.PositionToContent) this.Place(names.PositionQuery, positionQuery = TransformerParts.Projection(spec, spec.HiddenSize, heads * size, bias: true, at));
        }
        if (headNorm != HeadNorm.None)
        {
            this.Place(names.QueryNorm, queryNorm = TransformerParts.Norm(spec, headNorm == HeadNorm.Whole ? heads * size : size, at));
            this.Place(names.KeyNorm, keyNorm = TransformerParts.Norm(spec, headNorm == HeadNorm.Whole ? keyValueHeads * size : size, at));
        }
    }

    /// <summary>The projections that read the input.</summary>
    public IReadOnlyList<AdaptableModule> Inputs => joined is null ? [query!, key!, value!] : [joined];

    /// <summary>The output projection.</summary>
    public AdaptableModule Output => output;

    /// <summary>The norms of queries and keys; null without them.</summary>
    public (AdaptableModule Query, AdaptableModule Key)? Norms => queryNorm is null ? null : (queryNorm, keyNorm!);

    /// <summary>Sizes and settings of the attention; null if no fused kernel supports it.</summary>
    public AttentionShape? Kernel => attention.IsCapped || isInterleaved || headNorm is HeadNorm.Whole or HeadNorm.AfterRotary || layout == ProjectionLayout.JoinedPerGroup ? null : kernel;

    /// <summary>True if a joined projection has each head's query, key and value side by side.</summary>
    public bool IsJoinedPerHead => perHead;

    /// <summary>The rotary angles of this layer; null without a rotary embedding.</summary>
    public RotaryAngles? AnglesOf(ForwardContext context) => rotated == 0 ? null : windowAngles ? context.WindowAngles : context.Angles;

    /// <summary>Folds factors of the output projection's input into the value projection; null if several query heads share a value head.</summary>
    public ScaleFold? ValueFold()
    {
        if (heads != keyValueHeads) return null;
        if (joined is null) return new(value!, [output]);
        if (layout == ProjectionLayout.JoinedPerGroup) return null;
        var rows = Enumerable.Range(0, heads).SelectMany(head => Enumerable.Range(0, size).Select(i => perHead ? (long)((3 * head) + 2) * size + i : (long)((heads + keyValueHeads + head) * size) + i));
        return new(joined, [output], [.. rows]);
    }

    // The modules are registered under the names of the architecture's description, not under the field names.
    /// <inheritdoc/>
    protected override void RegisterComponents() { }

    /// <inheritdoc/>
    public override Tensor forward(Tensor input, ForwardContext context)
    {
        var (q, k, v) = joined is null ? ProjectApart(input, context) : ProjectJoined(joined, input, context);
        if (headNorm is HeadNorm.PerHead or HeadNorm.Whole) (q, k) = (Normal(q, queryNorm!), Normal(k, keyNorm!));
        (q, k) = (Apart(q), Apart(k));
        if (Fused(q, k, v, context) is { } kernels)
        {
            using var fused = kernels;
            q.Dispose();
            k.Dispose();
            v.Dispose();
            return output.call(fused);
        }
        if (rotated > 0)
        {
            var angles = windowAngles ? context.WindowAngles! : context.Angles!;
            q = Replace(q, RotaryTable.Rotate(q, angles, rotated, size));
            k = Replace(k, RotaryTable.Rotate(k, angles, rotated, size));
        }
        if (headNorm == HeadNorm.AfterRotary) (q, k) = (Normal(q, queryNorm!), Normal(k, keyNorm!));
        q = Replace(q, q.transpose(1, 2));   // [batch, heads, sequence, size]
        k = Replace(k, k.transpose(1, 2));
        v = Replace(v, v.transpose(1, 2));
        using var gate = context.PrefixGates?[context.Layer](input);   // [batch, sequence or 1, prefix]
        var mixed = Mix(q, k, v, gate, context);   // [batch, sequence, heads · size]
        using var read = Read(q, context);
        q.Dispose();
        k.Dispose();
        v.Dispose();
        // As in Hugging Face PEFT: with separate query, key and value projections, the output projection is applied to the attention to the virtual tokens, and its
        // bias is added a second time. With a joined projection, neither happens.
        if (read is not null && joined is null) mixed = Replace(mixed, mixed.add(read, One));
        var result = output.call(mixed);
        mixed.Dispose();
        if (read is null) return result;
        if (joined is not null) return Replace(result, result.add(read, One));
        return output.Bias is { } bias ? AddBias(result, bias, context) : result;
    }

    private Tensor Normal(Tensor values, AdaptableModule norm)
    {
        if (headNorm != HeadNorm.Whole) return Replace(values, norm.call(values));
        using var flat = values.reshape(values.size(0), values.size(1), -1);
        using var normal = norm.call(flat);
        return Replace(values, normal.view(values.Sizes()));
    }

    private Tensor Apart(Tensor values) => isInterleaved ? Replace(values, InterleavedPairs.Apart(values, rotated)) : values;

    // New keys if they are interleaved.
    private (Tensor Keys, Tensor Values)? PrefixOf(ForwardContext context)
    {
        if (context.Prefix is not { } prefix) return null;
        var (keys, values) = prefix[context.Layer];
        return (isInterleaved ? InterleavedPairs.Apart(keys, rotated) : keys, values);
    }

    /// <summary>Adds steps for the attention and returns the index of the output; null, without having added any, if the kernels do not support it.</summary>
    /// <param name="steps">Takes the steps.</param>
    /// <param name="norm">The normalization of the input.</param>
    /// <param name="input">Index of the input <c>[batch, sequence, hidden]</c>.</param>
    /// <param name="residual">Index of a value to add; null for none.</param>
    /// <param name="context">The forward pass.</param>
    public int? AddSteps(NodeSteps steps, NodeInput norm, int input, int? residual, ForwardContext context)
    {
        if (isInterleaved || headNorm is HeadNorm.Whole or HeadNorm.AfterRotary || layout == ProjectionLayout.JoinedPerGroup || (context.Cache is not null && !FillsCache(context)) || size % 8 != 0 || !Fuses(context) || output.AsProduct(context.Rows) is not { } last) return null;
        NodeProduct[] products = [.. Inputs.Select(module => module.AsProduct(context.Rows)).OfType<NodeProduct>()];
        NodeInput[] norms = queryNorm is null ? [] : [.. new[] { queryNorm, keyNorm! }.Select(module => module.AsNormInput()).OfType<NodeInput>()];
        if (products.Length < Inputs.Count || norms.Length < (queryNorm is null ? 0 : 2)) return null;
        var again = TorchRuntime.Cpu.RecomputedProjections && !context.IsSecondRun && context.Rows * (heads + 2 * keyValueHeads) * size > MinRecomputed;
        var q = steps.Add(new LinearStep(norm, [input], null, products), again);
        if (joined is not null) q = steps.Add(new SplitStep(q, heads, keyValueHeads, size, perHead), again);
        int[] reads = [q, q + 1, q + 2];
        for (var i = 0; i < norms.Length; i++) reads[i] = steps.Add(new NormStep(norms[i], reads[i]), again);
        if (context.Cache is not null) steps.Add(new CacheStep(reads[1], reads[2], (k, v) => Append(k, v, context)));
        return steps.Add(new LinearStep(new PlainInput(), [steps.Add(Step(reads, context))], residual, last), again && last.Trained.Length > 0);   // otherwise, the attention would have to be kept for it
    }

    // True for a prompt without padding.
    private static bool FillsCache(ForwardContext context) => is_inference_mode_enabled() && context is { Causal: true, Past: 0, KeyMask: null, PromptLengths: null, PackedLengths: null };

    // Keys are cached rotated.
    private void Append(Tensor k, Tensor v, ForwardContext context)
    {
        using var scope = NewDisposeScope();
        Tensor keys = k.view(context.Batch, context.Length, keyValueHeads, size), values = v.view(context.Batch, context.Length, keyValueHeads, size);
        if (AnglesOf(context) is { } angles) keys = RotaryTable.Rotate(keys, angles, rotated, size);
        context.Cache!.Append(context.Layer, keys.transpose(1, 2), values.transpose(1, 2), context.Length);
    }

    /// <summary>The queries' attention to the virtual tokens of this layer, <c>[batch, sequence, heads · size]</c>; null if there are none.</summary>
    private Tensor? Read(Tensor q, ForwardContext context)
    {
        Tensor? sum = null;
        foreach (var prompt in context.InAttention)
        {
            if (prompt.Layer != context.Layer) continue;
            var read = Read(q, prompt);
            sum = sum is null ? read : Replace(sum, Replace(read, sum.add(read, One)));
        }
        return sum;
    }

    private static Tensor AddBias(Tensor result, Tensor bias, ForwardContext context)
    {
        foreach (var prompt in context.InAttention)
        {
            if (prompt.Layer != context.Layer) continue;
            using var rows = prompt.Rows?.to_type(result.dtype).reshape(-1, 1, 1);
            using var own = rows is null ? bias.alias() : rows.mul(bias);
            result = Replace(result, result.add(own, One));
        }
        return result;
    }

    // gate · softmax(s·q·Kᵀ)·V with the keys and values of the virtual tokens, which are not rotated.
    private Tensor Read(Tensor q, AttentionPrompt prompt)
    {
        using var scope = NewDisposeScope();
        // If rows have different adapters, the projections differ by row too, so each row projects its own copy of the virtual tokens.
        var rows = prompt.Gate.dim() == 4 ? prompt.Gate.size(0) : 1;
        var tokens = prompt.Tokens.to_type(q.dtype).expand(rows, -1, -1);
        var at = new ForwardContext { Batch = (int)rows, Length = (int)tokens.size(1), Past = 0, Type = q.dtype, Device = q.device };
        var (_, k, v) = joined is null ? ProjectApart(tokens, at) : ProjectJoined(joined, tokens, at);
        if (keyNorm is not null) k = Normal(k, keyNorm);
        k = Apart(k);
        var weights = nn.functional.softmax(q.matmul(PerHead(k).transpose(2, 3)).mul(Constant(kernel.Scale)), -1, ScalarType.Float32).mul(prompt.Gate).to_type(q.dtype);
        return weights.matmul(PerHead(v)).transpose(1, 2).reshape(q.size(0), q.size(2), heads * size).MoveToOuterDisposeScope();

        Tensor PerHead(Tensor each) => each.transpose(1, 2).repeat_interleave(heads / keyValueHeads, 1);
    }

    // The fused CPU kernels support whole sequences without padding or right-padded, and one new position after the cached ones, left-padded.
    private Tensor? Fused(Tensor q, Tensor k, Tensor v, ForwardContext context)
    {
        if (!Fuses(context)) return null;
        var rotary = AnglesOf(context);
        if (context.Cache is null)
        {
            if (!FusedAttention.Supports(q, k, v, size)) return null;
            using var scope = NewDisposeScope();
            return FusedAttention.Run(q, k, v, Step([0, 1, 2], context)).MoveToOuterDisposeScope();
        }
        if (!context.Causal || context.Length != 1 || (training && dropout > 0) || !DecodeAttention.Supports(q, k, v, size)) return null;
        if (context.KeyMask is not null && (context.CountedPositions is not null || context.FirstPositions is null)) return null;
        var (keys, values) = context.CacheRoom(kernel);
        return DecodeAttention.Run(q, k, v, keys, values, context.Past, kernel, rotary?.Cosine, rotary?.SignedSine, context.FirstPositions, context.PromptLengths);
    }

    private FusedAttention Step(int[] reads, ForwardContext context)
    {
        var shape = context.Causal ? kernel : bidirectional;
        var real = context.KeyMask is null ? null : context.RealLengths;
        if (context.KeyMask is not null) shape = shape with { Window = null };
        var rotary = AnglesOf(context);
        return new(reads, context.Batch, context.Length, shape, context.PackedLengths, context.PackedParents, real, rotary?.Cosine, rotary?.SignedSine, training ? dropout : 0,
            PrefixOf(context) is var (keys, values) ? AttentionPrefix.Of(keys, values) : null);
    }

    private bool Fuses(ForwardContext context)
        => TorchRuntime.Cpu.Attention && disentangled is null && headNorm != HeadNorm.AfterRotary && (context.Causal || window is null || (context.PackedLengths?.Max() ?? context.Length) <= window) && context is { PrefixGates: null, Bias: null, InAttention.Count: 0 } && FusesPrefix(context) && !attention.IsCapped && !(training && dropout >= 1)
           && (context.Cache is not null || context.KeyMask is null || (context.PackedLengths is null && !((context.Causal ? kernel : bidirectional).Window < context.Length) && context.RealLengths is not null));

    // In a window, what a query sees of the prefix depends on the architecture.
    private bool FusesPrefix(ForwardContext context) => context.Prefix is null || (context is { Cache: null, PackedLengths: null } && !(window < context.Past + context.Length));

    private Tensor Mix(Tensor q, Tensor k, Tensor v, Tensor? gate, ForwardContext context)
    {
        var p = training ? dropout : 0;
        if (context.PackedLengths is { } lengths) return MixPacked(q, k, v, lengths, context, p);

        var (batch, length, keys) = (context.Batch, context.Length, context.Past + context.Length);
        var pattern = context.Pattern(window);
        Tensor allKeys = k, allValues = v;
        if (PrefixOf(context) is var (before, beforeValues))
        {
            allKeys = cat([before, k], 2);
            allValues = cat([beforeValues, v], 2);
            if (isInterleaved) before.Dispose();
        }
        if (context.Cache is { } cache)
        {
            var added = context.Prefix is null ? length : keys;
            var (newKeys, newValues) = (allKeys, allValues);
            (allKeys, allValues) = cache.Append(context.Layer, newKeys, newValues, added);
            if (!ReferenceEquals(newKeys, k)) newKeys.Dispose();
            if (!ReferenceEquals(newValues, v)) newValues.Dispose();
        }
        using var terms = disentangled is null ? null : PositionTerms(q, k, context, pattern.Mask);
        var mixed = attention.Run(q, allKeys, allValues, terms is null ? pattern : pattern with { Mask = terms, BlindsQueries = context.KeyMask is not null && is_grad_enabled() }, p, batch, length, keys, gate);
        if (!ReferenceEquals(allKeys, k)) allKeys.Dispose();
        if (!ReferenceEquals(allValues, v)) allValues.Dispose();
        return mixed;
    }

    // The scaled terms of relative positions, with the mask: [batch, heads, queries, keys].
    private Tensor PositionTerms(Tensor q, Tensor k, ForwardContext context, Tensor? mask)
    {
        if (context.Prefix is not null) throw new AdapterOptionsException("The relative positions of this model are those of its input, so that no keys and values can precede it: use virtual tokens in the input, such as prompt tuning.");
        using var scope = NewDisposeScope();
        var relative = context.Relative;
        Tensor Heads(AdaptableModule projection) => projection.call(relative!.States).view(1, -1, heads, size).permute(0, 2, 3, 1);   // [1, heads, size, rows]
        Tensor Term(Tensor content, AdaptableModule projection, Tensor rows)
        {
            var products = content.matmul(Heads(projection));
            return products.gather(-1, rows.expand(products.size(0), heads, -1, -1));
        }
        Tensor? sum = null;
        if (disentangled!.ContentToPosition) sum = Term(q, positionKey ?? key!, relative!.ContentToPosition);
        if (disentangled.PositionToContent)
        {
            var term = Term(k, positionQuery ?? query!, relative!.PositionToContent).transpose(-1, -2);
            sum = sum is null ? term : sum.add(term, One);
        }
        var scaled = sum?.mul(Constant(kernel.Scale)) ?? zeros([1, heads, q.size(2), k.size(2)], q.dtype, q.device);
        if (mask is not null) scaled = scaled.add(mask, One);
        // As in transformers, padding attends evenly to all.
        if (context.KeyMask is { } real) scaled = scaled.masked_fill(real.eq(Constant(0)).unsqueeze(1).unsqueeze(-1), Constant(AttentionPattern.Lowest(scaled.dtype)));
        return scaled.MoveToOuterDisposeScope();
    }

    private Tensor MixPacked(Tensor q, Tensor k, Tensor v, IReadOnlyList<int> lengths, ForwardContext context, double p)
    {
        using var scope = NewDisposeScope();
        var (parts, starts) = (new Tensor[lengths.Count], new long[lengths.Count + 1]);
        for (var i = 0; i < parts.Length; i++)
        {
            var (start, length, parent) = (starts[i], lengths[i], context.PackedParents?[i] ?? -1);
            var past = parent < 0 ? 0 : lengths[parent];
            Tensor Keys(Tensor all) => parent < 0 ? all.narrow(2, start, length) : cat([all.narrow(2, starts[parent], past), all.narrow(2, start, length)], 2);
            var bias = context.Bias?.narrow(3, 0, past + length);   // linear in the position, so that it may begin anew in each sequence
            var pattern = AttentionPattern.Create(length, past + length, window, null, q.dtype, q.device, context.Causal, bias);
            parts[i] = attention.Run(q.narrow(2, start, length), Keys(k), Keys(v), pattern, p, 1, length, past + length);
            starts[i + 1] = start + length;
        }
        return (parts.Length == 1 ? parts[0] : cat(parts, 1)).MoveToOuterDisposeScope();
    }

    private (Tensor Query, Tensor Key, Tensor Value) ProjectApart(Tensor input, ForwardContext context)
    {
        using var q = query!.call(input);
        using var k = key!.call(input);
        using var v = value!.call(input);
        return Heads(q, k, v, context);
    }

    private (Tensor Query, Tensor Key, Tensor Value) Heads(Tensor q, Tensor k, Tensor v, ForwardContext context)
        => (q.view(context.Batch, context.Length, heads, size),
            k.view(context.Batch, context.Length, keyValueHeads, size),
            v.view(context.Batch, context.Length, keyValueHeads, size));

    private (Tensor Query, Tensor Key, Tensor Value) ProjectJoined(AdaptableModule projection, Tensor input, ForwardContext context)
    {
        using var all = projection.call(input);
        return Heads(all, context);
    }

    private (Tensor Query, Tensor Key, Tensor Value) Heads(Tensor all, ForwardContext context)
    {
        if (perHead)
        {
            using var apart = all.view(context.Batch, context.Length, heads, 3 * size);
            return (apart.narrow(-1, 0, size), apart.narrow(-1, size, size), apart.narrow(-1, 2 * size, size));
        }
        if (layout == ProjectionLayout.JoinedPerGroup)
        {
            var group = heads / keyValueHeads;
            using var groups = all.view(context.Batch, context.Length, keyValueHeads, group + 2, size);
            using var q = groups.narrow(3, 0, group);
            return (q.reshape(context.Batch, context.Length, heads, size), groups.select(3, group), groups.select(3, group + 1));
        }
        using var rows = all.view(context.Batch, context.Length, heads + 2 * keyValueHeads, size);
        return (rows.narrow(2, 0, heads), rows.narrow(2, heads, keyValueHeads), rows.narrow(2, heads + keyValueHeads, keyValueHeads));
    }

    private static Tensor Replace(Tensor old, Tensor replacement)
    {
        old.Dispose();
        return replacement;
    }
}
