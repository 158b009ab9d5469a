using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>
/// An input with the virtual tokens of the active adapters before it, and labels to go with it. Once a cache holds the virtual tokens they are
/// only counted.
/// </summary>
internal sealed class PromptedInput : IDisposable
{
    private readonly List<Tensor> held = [];
    private readonly List<IDisposable> readings = [];
    private readonly VirtualLabels? virtualLabels;

    private PromptedInput(ModelInput input, int count, VirtualLabels? labels) => (Input, Count, virtualLabels) = (input, count, labels);

    /// <summary>What the backbone is to read.</summary>
    public ModelInput Input { get; private set; }

    /// <summary>Positions of the output that belong to virtual tokens; they come first.</summary>
    public int Count { get; }

    public static PromptedInput Of(PretrainedModel model, ModelInput input)
    {
        ArgumentNullException.ThrowIfNull(input);
        if (PeftModel.Of(model)?.FirstPassReaders is not { Count: > 0 } readers) return WithPrompts(model, input);
        using var scope = NewDisposeScope();
        var states = FirstStates.Of(model, input);
        var prompted = WithPrompts(model, input with { SharesGraph = true });
        foreach (var reader in readers) prompted.readings.Add(reader.Read(states));
        return prompted;
    }

    private static PromptedInput WithPrompts(PretrainedModel model, ModelInput input)
    {
        if (model.Prompts is not { } prompts) return new(input, 0, null);
        var first = input.Cache is null or { Length: 0 };
        var seq2seq = model.Spec.Kind == TransformerKind.EncoderDecoder;
        // Hugging Face PEFT, too, gives the decoder no virtual tokens of its own while it generates.
        var decodes = seq2seq && input.Cache is null ? prompts.DecoderEmbeddingCount : 0;
        var prompted = new PromptedInput(input, !first ? 0 : seq2seq ? decodes : prompts.EmbeddingCount, prompts.Labels);
        using var scope = NewDisposeScope();
        var rows = (input.InputIds ?? input.Embeddings ?? input.EncoderOutput ?? input.DecoderInputIds!).shape[0];
        prompted.Input = seq2seq ? prompted.BeforeBoth(model, input, prompts, rows, first, decodes) : prompted.Before(model, input, prompts, rows, first);
        return prompted;
    }

    private ModelInput Before(PretrainedModel model, ModelInput input, PromptStack prompts, long rows, bool first)
    {
        var (embedded, total) = (prompts.EmbeddingCount, prompts.EmbeddingCount + prompts.PrefixCount);
        if (total > 0 && input.PackedLengths is not null)
            throw new ArgumentException("A packed batch has no place for virtual tokens before each of its sequences: give the sequences as rows.", nameof(input));
        if (input.Prefix is not null) throw new ArgumentException("The input has a prefix of its own beside that of the active adapters: take one of them away.", nameof(input));
        var tokens = prompts.Make(rows, model.training, continues: !first);
        var positions = input.PositionIds?.add(total) ?? Positions(model, input, total);
        return input with
        {
            InputIds = tokens.Embeddings is null ? input.InputIds : null,
            Embeddings = Before(tokens.Embeddings, input.InputIds, input.Embeddings, model, rows),
            AttentionMask = Ones(total, input.AttentionMask, rows),
            TokenTypeIds = first ? Pad(embedded, input.TokenTypeIds, rows, 0) : input.TokenTypeIds,
            PositionIds = positions is null ? null : Keep(first && embedded > 0 ? cat([arange(prompts.PrefixCount, total, ScalarType.Int64, positions.device).expand(positions.shape[0], embedded), positions], 1) : positions.alias()),
            Prefix = Prefix(tokens, rows, model),
            PrefixGates = prompts.Gates,
            InAttention = InAttention(tokens),
        };
    }

    // The encoder reads embeddings, the decoder keys and values and, in some methods, embeddings too.
    private ModelInput BeforeBoth(PretrainedModel model, ModelInput input, PromptStack prompts, long rows, bool first, int decodes)
    {
        var tokens = prompts.Make(rows, model.training, continues: !first);
        var encodes = input.EncoderOutput is null && tokens.Embeddings is not null;
        return input with
        {
            InputIds = encodes ? null : input.InputIds,
            Embeddings = encodes ? Before(tokens.Embeddings, input.InputIds, input.Embeddings, model, rows) : input.Embeddings,
            AttentionMask = Ones(prompts.EmbeddingCount, input.AttentionMask, rows),
            DecoderInputIds = decodes > 0 ? null : input.DecoderInputIds,
            DecoderEmbeddings = decodes > 0 && (input.DecoderInputIds ?? input.DecoderEmbeddings) is not null ? Before(tokens.DecoderEmbeddings, input.DecoderInputIds, input.DecoderEmbeddings, model, rows) : input.DecoderEmbeddings,
            DecoderAttentionMask = Ones(prompts.PrefixCount + decodes, input.DecoderAttentionMask, rows),
            Prefix = Prefix(tokens, rows, model),
            PrefixGates = prompts.Gates,
            InAttention = InAttention(tokens),
        };
    }

    // What stands before padding on the left would be taken for the first real token: positions are counted here.
    private static Tensor? Positions(PretrainedModel model, ModelInput input, int total)
    {
        if (total == 0 || model.Spec.Positions != PositionRule.FromFirstToken || input.AttentionMask is not { } mask) return null;
        var length = (input.InputIds ?? input.Embeddings!).shape[1];
        var first = mask.ne(0).to_type(ScalarType.Int64).argmax(1, true);
        var all = arange(mask.shape[1], ScalarType.Int64, mask.device).unsqueeze(0).sub(first).clamp(min: 0);
        return all.narrow(1, mask.shape[1] - length, length).add(total);
    }

    private Tensor? Before(Tensor? tokens, Tensor? ids, Tensor? embeddings, PretrainedModel model, long rows)
    {
        if (tokens is null) return embeddings;
        var own = embeddings ?? model.EmbedTokens(ids!);
        return Keep(cat([tokens.to_type(own.dtype).expand(rows, -1, -1), own], 1));
    }

    private KeyValuePrefix[]? Prefix(VirtualTokens tokens, long rows, PretrainedModel model)
    {
        var type = model.InputEmbeddings.Weight.dtype;
        return tokens.Prefix?.Select(pair => new KeyValuePrefix(Ready(pair.Keys), Ready(pair.Values))).ToArray();

        Tensor Ready(Tensor each) => Keep(each.to_type(type).expand(rows, -1, -1, -1));
    }

    private AttentionPrompt[] InAttention(VirtualTokens tokens)
        => [.. tokens.InAttention.Select(prompt => prompt.Gate is TorchSharp.Modules.Parameter ? prompt : prompt with { Gate = Keep(prompt.Gate) })];

    private Tensor? Ones(int count, Tensor? mask, long rows) => Pad(count, mask, rows, 1);

    private Tensor? Pad(int count, Tensor? given, long rows, int value)
        => given is null || count == 0 ? given : Keep(cat([full(rows, count, value, given.dtype, given.device), given], 1));

    private Tensor Keep(Tensor made)
    {
        held.Add(made.DetachFromDisposeScope());
        return made;
    }

    /// <summary>Labels <c>[batch, sequence]</c> with those of the virtual positions before them.</summary>
    public Tensor Labels(Tensor labels)
    {
        if (Count == 0) return labels.alias();
        using var before = full(labels.shape[0], Count, Batch.IgnoredLabel, labels.dtype, labels.device);
        return cat([before, labels], 1);
    }

    /// <summary>The loss of predicting the next token, where labels may have weights: Σ w·loss ÷ number of labels.</summary>
    /// <param name="labels">Labels <c>[batch, sequence]</c> of the input.</param>
    /// <param name="mean">The mean loss over the labels <c>[batch, virtual + sequence]</c> that are not to be ignored.</param>
    public Tensor NextTokenLoss(Tensor labels, Func<Tensor, Tensor> mean)
    {
        using var scope = NewDisposeScope();
        if (virtualLabels is null || Count == 0) return mean(Labels(labels)).MoveToOuterDisposeScope();
        var rows = labels.shape[0];
        var all = cat([tensor(virtualLabels.Ids.ToArray(), device: labels.device).expand(rows, Count), virtualLabels.CountsInput ? labels : full_like(labels, Batch.IgnoredLabel)], 1);
        var weights = cat([tensor(virtualLabels.Weights.ToArray(), device: labels.device).expand(rows, Count), ones(labels.shape, ScalarType.Float64, labels.device)], 1);
        var total = CountOf(all);
        Tensor? sum = null;
        foreach (var weight in virtualLabels.Weights.Append(1).Distinct())
        {
            var chosen = all.masked_fill(weights.ne(weight), Batch.IgnoredLabel);
            var count = CountOf(chosen);
            if (count == 0) continue;
            var part = mean(chosen).mul(weight * count / total);
            sum = sum is null ? part : sum.add(part);
        }
        return (sum ?? mean(all)).MoveToOuterDisposeScope();

        // The first position is predicted by none.
        static double CountOf(Tensor labels) => labels.narrow(1, 1, labels.shape[1] - 1).ne(Batch.IgnoredLabel).sum().item<long>();
    }

    public void Dispose()
    {
        foreach (var reading in readings) reading.Dispose();
        foreach (var tensor in held) tensor.Dispose();
        held.Clear();
    }
}
