using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>
/// A forward pass: an input with the virtual tokens of the active adapters prepended, and matching labels. Once a cache contains the virtual tokens, they only count
/// as positions.
/// </summary>
internal sealed class PromptedInput : IDisposable
{
    private readonly List<Tensor> held = [];
    private readonly List<IDisposable> readings = [];
    private readonly IReadOnlyList<PromptRow> rows;
    private IDisposable? pass, entered;
    private UnpaddedInput? unpadded;

    private PromptedInput(ModelInput input, int count, IReadOnlyList<PromptRow> rows) => (Input, Count, this.rows) = (input, count, rows);

    /// <summary>The input of the backbone.</summary>
    public ModelInput Input { get; private set; }

    /// <summary>Number of output positions that belong to virtual tokens, at the beginning. A row with fewer virtual tokens begins with padding.</summary>
    public int Count { get; }

    /// <summary>Begins a forward pass of the model. It ends when the result is disposed.</summary>
    public static PromptedInput Of(PretrainedModel model, ModelInput input) => Begin(model, input, (given, peft) =>
    {
        InputRules.Check(model, given);
        return Read(model, given, peft);
    });

    /// <summary>
    /// Begins a forward pass whose caller does not read the hidden states of padding. They are 0 and are not computed, unless the model or its adapters require padded rows.
    /// </summary>
    /// <param name="model">The model.</param>
    /// <param name="input">The input.</param>
    /// <param name="read">True where hidden states are read, <c>[batch or 1, sequence]</c>; null for tokens only. If it includes padding, the padding is computed.</param>
    public static PromptedInput Unpadded(PretrainedModel model, ModelInput input, Tensor? read = null) => Begin(model, input, (given, peft) =>
    {
        InputRules.Check(model, given);
        if (UnpaddedInput.Of(model, given, read) is not { } unpadded) return Read(model, given, peft);
        try
        {
            var prompted = Read(model, unpadded.Input, peft);
            prompted.unpadded = unpadded;
            return prompted;
        }
        catch
        {
            unpadded.Dispose();
            throw;
        }
    });

    private static PromptedInput Begin(PretrainedModel model, ModelInput input, Func<ModelInput, PeftModel?, PromptedInput> read)
    {
        ArgumentNullException.ThrowIfNull(input);
        if (PeftModel.Of(model) is not { } peft) return read(input, null);
        var pass = peft.BeginPass();
        var entered = pass.Enter();
        try
        {
            var prompted = read(input with { Pass = pass }, peft);
            (prompted.pass, prompted.entered) = (pass, entered);
            return prompted;
        }
        catch
        {
            entered.Dispose();
            pass.Dispose();
            throw;
        }
    }

    private static PromptedInput Read(PretrainedModel model, ModelInput input, PeftModel? peft)
    {
        if (peft?.PreliminaryPassReaders is not { Count: > 0 } readers) return WithPrompts(model, input);
        using var scope = NewDisposeScope();
        var states = FirstStates.Of(model, input);
        var prompted = WithPrompts(model, input with { SharesGraph = true });
        foreach (var reader in readers) prompted.readings.Add(reader.Read(states));
        return prompted;
    }

    private static PromptedInput WithPrompts(PretrainedModel model, ModelInput input)
    {
        if (model.Prompts is not { } prompts) return new(input, 0, []);
        var first = input.Cache is null or { Length: 0 };
        var seq2seq = model.Spec.Kind == TransformerKind.EncoderDecoder;
        // As in Hugging Face PEFT, the decoder gets no virtual tokens during generation.
        var decodes = seq2seq && input.Cache is null ? prompts.DecoderEmbeddingCount : 0;
        var prompted = new PromptedInput(input, !first ? 0 : seq2seq ? decodes : prompts.EmbeddingCount, prompts.Rows);
        using var scope = NewDisposeScope();
        var rows = (input.InputIds ?? input.Embeddings ?? input.EncoderOutput ?? input.DecoderInputIds!).size(0);
        prompted.Input = seq2seq ? prompted.BeforeBoth(model, input, prompts, rows, first, decodes) : prompted.Before(model, input, prompts, rows, first);
        return prompted;
    }

    private ModelInput Before(PretrainedModel model, ModelInput input, PromptStack prompts, long rows, bool first)
    {
        var layout = new PromptLayout(prompts.Rows, prompts.PrefixCount, prompts.EmbeddingCount, (input.InputIds ?? input.Embeddings!).device);
        if (layout.Total > 0 && input.PackedLengths is not null)
            throw new ArgumentException("Virtual tokens cannot precede the sequences of a packed batch: pass the sequences as rows.", nameof(input));
        if (input.Prefix is not null) throw new ArgumentException("The input has a prefix, but the active adapters have one too: remove one of them.", nameof(input));
        var tokens = prompts.Make(rows, model.training, continues: !first);
        var length = (input.InputIds ?? input.Embeddings!).size(1);
        var past = first ? 0 : input.Cache!.Length - layout.Total;
        var positions = Positions(model, input, layout, past, length);
        if (first && prompts.EmbeddingCount > 0 && positions is not null) positions = cat([layout.Positions.expand(positions.size(0), -1), positions], 1);
        return input with
        {
            InputIds = tokens.Embeddings is null ? input.InputIds : null,
            TokenIds = tokens.Embeddings is null || input.Embeddings is not null ? null : Pad(prompts.EmbeddingCount, input.InputIds, rows, -1),
            Embeddings = Before(tokens.Embeddings, input.InputIds, input.Embeddings, model, rows),
            AttentionMask = Mask(layout, input.AttentionMask, rows, past + length),
            CountedPositions = Counted(layout, input.AttentionMask, rows, past + length),
            TokenTypeIds = first ? Pad(prompts.EmbeddingCount, input.TokenTypeIds, rows, 0) : input.TokenTypeIds,
            PositionIds = positions is null ? null : Keep(positions.alias()),
            Prefix = Prefix(tokens, rows, model),
            PrefixGates = prompts.Gates,
            InAttention = InAttention(tokens),
            VirtualTokens = (int)layout.Total,
        };
    }

    // The encoder gets virtual embeddings; the decoder gets keys and values and, with some methods, embeddings too.
    private ModelInput BeforeBoth(PretrainedModel model, ModelInput input, PromptStack prompts, long rows, bool first, int decodes)
    {
        var tokens = prompts.Make(rows, model.training, continues: !first);
        var encodes = input.EncoderOutput is null && tokens.Embeddings is not null;
        var reads = (input.InputIds ?? input.Embeddings)?.size(1) ?? input.EncoderOutput!.size(1) - prompts.EmbeddingCount;
        var writes = (input.DecoderInputIds ?? input.DecoderEmbeddings)?.size(1) ?? 0;
        var device = model.InputEmbeddings.Storage.Device;
        var encoder = new PromptLayout(prompts.Rows, 0, prompts.EmbeddingCount, device);
        var decoder = new PromptLayout([.. prompts.Rows.Select(row => row with { Embeddings = row.DecoderEmbeddings })], prompts.PrefixCount, decodes, device);
        if (decoder.IsMixed && decodes > 0 && prompts.PrefixCount > 0)
            throw new PeftException("Keys and values precede the decoder's input in some rows, and embeddings in others: relative positions would count the padding between the keys and the input. Run these rows in separate batches.");
        return input with
        {
            InputIds = encodes ? null : input.InputIds,
            Embeddings = encodes ? Before(tokens.Embeddings, input.InputIds, input.Embeddings, model, rows) : input.Embeddings,
            AttentionMask = Mask(encoder, input.AttentionMask, rows, reads),
            DecoderInputIds = decodes > 0 ? null : input.DecoderInputIds,
            DecoderEmbeddings = decodes > 0 && writes > 0 ? Before(tokens.DecoderEmbeddings, input.DecoderInputIds, input.DecoderEmbeddings, model, rows) : input.DecoderEmbeddings,
            DecoderAttentionMask = Mask(decoder, input.DecoderAttentionMask, rows, (first ? 0 : input.Cache!.Length - decoder.Total) + writes),
            Prefix = Prefix(tokens, rows, model),
            PrefixGates = prompts.Gates,
            InAttention = InAttention(tokens),
            VirtualTokens = (int)decoder.Total,
            EncoderVirtualTokens = (int)encoder.Total,
        };
    }

    /// <summary>The attention mask over virtual tokens and input; null if it masks nothing.</summary>
    private Tensor? Mask(PromptLayout layout, Tensor? given, long rows, long read)
    {
        if (layout.Total == 0 || (given is null && !layout.IsMixed)) return given;
        var own = given ?? ones(rows, read, ScalarType.Int64, layout.Own.device);
        if (own.size(1) < read) own = cat([ones(rows, read - own.size(1), own.dtype, own.device), own], 1);
        return Keep(cat([layout.Mask.to_type(own.dtype).expand(rows, -1), own], 1));
    }

    /// <summary>
    /// Marks the positions that count towards distances in a sliding window; null if all do. Padding that precedes a row's tokens does not count, so the row has the same output
    /// as it would have alone. Padding that follows them does, as in transformers.
    /// </summary>
    private Tensor? Counted(PromptLayout layout, Tensor? given, long rows, long read)
    {
        if (layout.Total == 0 || (given is null && !layout.IsMixed)) return null;
        var own = given is null ? ones(rows, read, ScalarType.Bool, layout.Own.device) : given.ne(Constant(0)).to_type(ScalarType.Int64).cumsum(1).gt(Constant(0));
        if (own.size(1) < read) own = cat([ones(rows, read - own.size(1), ScalarType.Bool, own.device), own], 1);
        return Keep(cat([layout.Mask.expand(rows, -1), own], 1));
    }

    /// <summary>Position ids of the input in each row, which continue those of its virtual tokens; null if the transformer computes the same ones.</summary>
    private static Tensor? Positions(PretrainedModel model, ModelInput input, PromptLayout layout, long past, long length)
    {
        if (layout.Total == 0) return input.PositionIds;
        if (input.PositionIds is { } given) return given.add(layout.Own, One);
        var mask = input.AttentionMask;
        switch (model.Spec.Positions)
        {
            case PositionRule.RealTokens:
                return null;   // computed from the whole mask
            // Otherwise a virtual token that precedes left padding would count as the first real token.
            case PositionRule.FromFirstToken when mask is not null:
                var start = mask.ne(Constant(0)).to_type(ScalarType.Int64).argmax(1, true);
                var all = arange(Constant(0), Constant(mask.size(1)), One, ScalarType.Int64, mask.device).unsqueeze(0).sub(start).clamp(min: Constant(0));
                return all.narrow(1, mask.size(1) - length, length).add(layout.Own, One);
        }
        if (!layout.IsMixed) return null;
        var counted = arange(Constant(past), Constant(past + length), One, ScalarType.Int64, layout.Own.device).unsqueeze(0).add(layout.Own, One);
        if (model.Spec is not { Positions: PositionRule.TokensButPadding, PaddingId: { } padding } || input.InputIds is not { } ids) return counted;
        // Embeddings do not show which positions are padding, so rows with virtual embeddings count all positions.
        var real = ids.ne(Constant(padding)).to_type(ScalarType.Int64);
        return where(layout.HasEmbeddings, counted, real.cumsum(1).add(layout.Own, One).mul(real).sub(Constant(1)));
    }

    private Tensor? Before(Tensor? tokens, Tensor? ids, Tensor? embeddings, PretrainedModel model, long rows)
    {
        if (tokens is null) return embeddings;
        var own = embeddings ?? model.EmbedTokens(ids!);
        return Keep(cat([tokens.to_type(own.dtype).expand(rows, -1, -1), own], 1));
    }

    private KeyValuePrefix[]? Prefix(VirtualTokens tokens, long rows, PretrainedModel model)
    {
        var type = model.InputEmbeddings.Storage.ComputeType;
        return tokens.Prefix?.Select(pair => new KeyValuePrefix(Ready(pair.Keys), Ready(pair.Values))).ToArray();

        Tensor Ready(Tensor each) => Keep(each.to_type(type).expand(rows, -1, -1, -1));
    }

    private AttentionPrompt[] InAttention(VirtualTokens tokens)
        => [.. tokens.InAttention.Select(prompt => prompt.Gate is TorchSharp.Modules.Parameter ? prompt : prompt with { Gate = Keep(prompt.Gate), Rows = prompt.Rows is { } rows ? Keep(rows) : null })];

    private Tensor? Pad(int count, Tensor? given, long rows, int value)
        => given is null || count == 0 ? given : Keep(cat([full(rows, count, Constant(value), given.dtype, given.device), given], 1));

    private Tensor Keep(Tensor made)
    {
        held.Add(made.DetachFromDisposeScope());
        return made;
    }

    /// <summary>The hidden states, <c>[batch, virtual + sequence, hidden]</c>.</summary>
    public Tensor States(Backbone backbone)
    {
        var states = backbone.call(Input);
        if (unpadded is null) return states;
        using (states) return unpadded.Unpack(states);
    }

    /// <summary>The output without the virtual tokens.</summary>
    /// <param name="output">The output <c>[batch, virtual + sequence, …]</c>.</param>
    public Tensor Own(Tensor output) => output.narrow(1, Count, output.size(1) - Count);

    /// <summary>The output <c>[batch, hidden]</c> at each row's first position.</summary>
    /// <param name="output">The output <c>[batch, virtual + sequence, hidden]</c>.</param>
    public Tensor First(Tensor output)
    {
        if (Count == 0 || rows.Count == 1) return output.select(1, 0);
        var indices = tensor(rows.Select((row, i) => i * output.size(1) + Count - row.Embeddings).ToArray(), device: output.device);
        return output.reshape(-1, output.size(2)).index_select(0, indices);
    }

    /// <summary>Converts positions <c>[batch, n]</c> that count from each row's first position, virtual tokens included, to positions of the output.</summary>
    public Tensor FromOwn(Tensor positions)
    {
        if (Count == 0 || rows.Count == 1) return positions.alias();
        using var padding = tensor(rows.Select(row => (long)(Count - row.Embeddings)).ToArray(), [rows.Count, 1], device: positions.device);
        return positions.add(padding, One);
    }

    /// <summary>The output at the positions of <see cref="FromOwn"/>, one for each position of the input.</summary>
    /// <param name="output">The output <c>[batch, virtual + sequence, size]</c>.</param>
    public Tensor Counted(Tensor output)
    {
        var length = output.size(1) - Count;
        if (Count == 0 || rows.Count == 1) return output.narrow(1, 0, length);
        return cat([.. rows.Select((row, i) => output.narrow(0, i, 1).narrow(1, Count - row.Embeddings, length))], 0);
    }

    /// <summary>Labels <c>[batch, sequence]</c> with ignored labels for the virtual positions prepended.</summary>
    public Tensor Labels(Tensor labels)
    {
        RequireLabels(labels);
        if (Count == 0) return labels.alias();
        using var before = full(labels.size(0), Count, Constant(Batch.IgnoredLabel), labels.dtype, labels.device);
        return cat([before, labels], 1);
    }

    // One label for each position of the input, or of the decoder's input.
    private static void RequireLabels(Tensor labels)
    {
        if (labels.dim() == 2 && labels.dtype is ScalarType.Int64 or ScalarType.Int32) return;
        throw new ArgumentException($"The labels are {TensorRules.Describe(labels)}, but must be integers [batch, sequence], one for each position.", nameof(labels));
    }

    /// <summary>The next-token loss with weighted labels: Σ w·loss ÷ number of labels.</summary>
    /// <param name="labels">Labels <c>[batch, sequence]</c> of the input.</param>
    /// <param name="mean">The mean loss over the labels <c>[batch, virtual + sequence]</c> that are not ignored.</param>
    public Tensor NextTokenLoss(Tensor labels, Func<Tensor, Tensor> mean)
    {
        using var scope = NewDisposeScope();
        RequireLabels(labels);
        // Padding precedes a row without virtual embeddings and predicts nothing.
        if (Count > 0 && rows.Any(row => row.Embeddings == 0))
            labels = cat([labels.narrow(1, 0, 1).masked_fill(Column(row => row.Embeddings == 0), Constant(Batch.IgnoredLabel)), labels.narrow(1, 1, labels.size(1) - 1)], 1);
        if (Count == 0 || rows.All(row => row.Labels is null)) return mean(Labels(labels)).MoveToOuterDisposeScope();
        var ofRows = rows.Select(row => row.Labels ?? VirtualLabels.None(row.Embeddings)).ToList();
        var all = cat([Virtual(row => row.Ids, Batch.IgnoredLabel), labels.masked_fill(Column(row => row.Labels?.CountsInput == false), Constant(Batch.IgnoredLabel))], 1);
        var weights = cat([Virtual(row => row.Weights, 1.0), ones(labels.shape, ScalarType.Float64, labels.device)], 1);
        var total = CountOf(all);
        Tensor? sum = null;
        foreach (var weight in ofRows.SelectMany(row => row.Weights).Append(1).Distinct())
        {
            var chosen = all.masked_fill(weights.ne(Constant(weight)), Constant(Batch.IgnoredLabel));
            var count = CountOf(chosen);
            if (count == 0) continue;
            var part = mean(chosen).mul(Constant(weight * count / total));
            sum = sum is null ? part : sum.add(part, One);
        }
        return (sum ?? mean(all)).MoveToOuterDisposeScope();

        Tensor Column(Func<PromptRow, bool> of) => tensor(rows.Select(of).ToArray(), [rows.Count, 1], device: labels.device);

        Tensor Virtual<T>(Func<VirtualLabels, IReadOnlyList<T>> of, T padding) where T : unmanaged
            => cat([.. ofRows.Select(row => from_array(Enumerable.Repeat(padding, Count - row.Ids.Count).Concat(of(row)).ToArray()).unsqueeze(0))], 0).to(labels.device).expand(labels.size(0), Count);

        // No position predicts the first one.
        static double CountOf(Tensor labels) => labels.narrow(1, 1, labels.size(1) - 1).ne(Constant(Batch.IgnoredLabel)).sum().item<long>();
    }

    public void Dispose()
    {
        foreach (var reading in readings) reading.Dispose();
        foreach (var tensor in held) tensor.Dispose();
        held.Clear();
        unpadded?.Dispose();
        entered?.Dispose();
        pass?.Dispose();
        (entered, pass) = (null, null);
    }
}
