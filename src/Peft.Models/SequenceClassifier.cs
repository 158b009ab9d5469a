using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>
/// Classifies its input: logits <c>[batch, classes]</c>. A decoder uses the hidden state of the last real token, an encoder that of the first,
/// an encoder-decoder model the decoder's state at the last end-of-sequence token of the input. <see cref="Pooling"/> selects other states.
/// </summary>
public sealed class SequenceClassifier : ClassifyingModel
{
    private readonly Pooling? configured;

    private SequenceClassifier(ModelConfig config, TransformerSpec spec, LoadOptions options)
        : base(config, Require(config, spec, nameof(SequenceClassifier), TransformerKind.Decoder, TransformerKind.Encoder, TransformerKind.EncoderDecoder), HeadFor(spec, ConfiguredPooling(config, spec)), options, spec.ClassifyingBase)
    {
        configured = ConfiguredPooling(config, spec);
        Pooling = configured ?? DefaultPooling(spec);
    }

    /// <summary>Loads a model in Hugging Face's layout. A head that the checkpoint lacks, or that does not fit the labels of the options, is initialized at random.</summary>
    /// <param name="nameOrPath">A local folder, or the id of a model on the hub. An existing folder takes precedence.</param>
    /// <param name="options">Dtype, device, labels and other options; a <see cref="LabelSet"/> converts implicitly.</param>
    /// <param name="pooling">The hidden states to classify; null for those of the options, or else of the architecture.</param>
    /// <exception cref="HubException">The model could not be downloaded.</exception>
    /// <exception cref="ModelFolderException">A file is missing or cannot be read.</exception>
    /// <exception cref="UnsupportedModelException">The configuration requires a feature that is not implemented.</exception>
    /// <exception cref="CheckpointMismatchException">The weights do not match the configuration.</exception>
    public static SequenceClassifier FromPretrained(string nameOrPath, LoadOptions? options = null, Pooling? pooling = null)
        => Open(nameOrPath, pooling is null ? options : (options ?? new()) with { Pooling = pooling }, (config, spec, choices) => new SequenceClassifier(config, spec, choices));

    /// <summary>Creates a model with random weights.</summary>
    /// <param name="config">The model's configuration.</param>
    /// <param name="seed">Seed of the random weights.</param>
    /// <param name="options">Dtype, device, labels and other options.</param>
    public static SequenceClassifier FromConfig(ModelConfig config, long seed = 0, LoadOptions? options = null)
        => Fresh(config, seed, options, (made, spec, choices) => new SequenceClassifier(made, spec, choices));

    /// <summary>The hidden states that the head reads. Encoder-decoder models ignore it.</summary>
    public Pooling Pooling { get; private set; }

    /// <inheritdoc/>
    public override string? TaskType => "SEQ_CLS";

    /// <inheritdoc/>
    /// <returns>Logits <c>[batch, classes]</c>.</returns>
    /// <exception cref="ArgumentException">The last token of several rows is unknown; or the rows of an encoder-decoder model have no end-of-sequence tokens, or different
    /// numbers of them.</exception>
    public override Tensor forward(ModelInput input)
    {
        ArgumentNullException.ThrowIfNull(input);
        using var scope = NewDisposeScope();
        InputRules.Check(this, input);
        if (Spec.Kind == TransformerKind.EncoderDecoder) return HeadParts.Run(EndStates(input)).MoveToOuterDisposeScope();
        // The position that the head reads, [batch]; null for all tokens.
        var position = Pooling switch { Pooling.Mean => null, Pooling.Cls => zeros(1, ScalarType.Int64, Device), _ => LastTokens(input) };
        var read = position is null ? null : arange(Constant(0), Constant(Shape(input)[1]), One, ScalarType.Int64, position.device).eq(position.unsqueeze(1));
        using var prompted = PromptedInput.Unpadded(this, input, read);
        var hidden = prompted.States(Backbone);
        var pooled = Pooling switch
        {
            Pooling.Cls => prompted.First(hidden),   // with virtual tokens the first virtual one, as in Hugging Face PEFT
            Pooling.Mean => HiddenStates.Mean(prompted.Own(hidden), input.AttentionMask),
            _ => HiddenStates.At(prompted.Own(hidden), position!),
        };
        return HeadParts.Run(pooled).MoveToOuterDisposeScope();
    }

    // The decoder's input is the encoder's input, shifted right by one.
    private Tensor EndStates(ModelInput input)
    {
        var ids = input.InputIds ?? throw new ArgumentException("An encoder-decoder model classifies token ids, not embeddings, because the ids mark the end of the input.", nameof(input));
        if (Config.Ids("eos_token_id") is not [var end, ..]) throw new ModelFolderException($"{Config.Source} has no eos_token_id, which marks the state to classify.");
        var ends = ids.eq(Constant(end));
        var counts = ends.sum(1);
        var (fewest, most) = (counts.min().item<long>(), counts.max().item<long>());
        if (fewest != most || fewest == 0)
            throw new ArgumentException($"The rows have between {fewest} and {most} end-of-sequence tokens (id {end}), but all must have the same number, at least one: append the token when you encode the texts.", nameof(input));
        var last = ends.to_type(ScalarType.Int64).mul(arange(Constant(0), Constant(ids.size(1)), One, ScalarType.Int64, ids.device)).argmax(1);
        var start = Config.Whole("decoder_start_token_id") ?? Config.PadTokenId ?? 0;
        var shifted = Spec.StartsWithLastLabel ? Seq2SeqLM.StartWithLast(ids, Config) : cat([full(ids.size(0), 1, Constant(start), ids.dtype, ids.device), ids.narrow(1, 0, ids.size(1) - 1)], 1);
        using var prompted = PromptedInput.Of(this, input with { DecoderInputIds = input.DecoderInputIds ?? shifted });
        var hidden = Backbone.call(prompted.Input);
        var (rows, length, width) = (ids.size(0), hidden.size(1), hidden.size(2));
        var first = arange(Constant(0), Constant(rows), One, ScalarType.Int64, ids.device).mul(Constant(length)).add(Constant(length - ids.size(1)), One);   // virtual tokens precede them
        return hidden.reshape(-1, width).index_select(0, first.add(last, One));
    }

    private static long[] Shape(ModelInput input) => (input.InputIds ?? input.Embeddings!).shape;

    // The position of each row's last token, [batch].
    private Tensor LastTokens(ModelInput input)
    {
        // As in transformers, the padding id marks the last real token; without a padding id, the attention mask does.
        var (batch, length) = (Shape(input)[0], Shape(input)[1]);
        if (input.InputIds is { } ids && Config.PadTokenId is { } pad) return HiddenStates.LastOf(ids.ne(Constant(pad)));
        if (input.AttentionMask is { } mask) return HiddenStates.LastOf(mask.narrow(1, mask.size(1) - length, length).ne(Constant(0)));
        if (batch == 1 || input.InputIds is null) return full([batch], Constant(length - 1), ScalarType.Int64, Device);
        throw new ArgumentException($"{Config.Source} has no pad_token_id, so the last token of each of the {batch} rows is unknown: pass an attention mask.", nameof(input));
    }

    /// <inheritdoc/>
    /// <remarks>
    /// The loss depends on <c>problem_type</c>, or on the labels if the configuration has none: mean squared error for one class, cross-entropy for
    /// integer labels <c>[batch]</c>, binary cross-entropy for labels <c>[batch, classes]</c>.
    /// </remarks>
    public override Tensor Loss(ModelInput input, Tensor labels) => LossAlone(input, labels);

    private protected override (Tensor Loss, Tensor Output) LossAndOutput(ModelInput input, Tensor labels)
    {
        TensorRules.RequireAlive(labels, nameof(labels));
        var logits = forward(input);
        using var weights = WeightsFor(logits);
        return (ClassificationLoss.Of(logits, labels, CurrentTask.ProblemType, Config.Source, weights), logits);
    }

    private protected override string? PoolingField => configured is null && Pooling == DefaultPooling(Spec) ? null : Pooling.ToField();

    private protected override Func<Action>? FitPooling(TaskDescription task, string adapter, bool alone)
    {
        var (now, wanted) = (Pooling, Poolings.Parse(task.Pooling, $"Adapter '{adapter}'") ?? DefaultPooling(Spec));
        if (wanted == now) return null;
        if (!alone || configured is not null)
            throw Mismatch(adapter, $"pooling '{wanted.ToField()}'", $"reads '{now.ToField()}'{(alone ? "" : " and has other adapters")}: load the base with {nameof(Pooling)}.{wanted}");
        Check(Spec, wanted, $"Adapter '{adapter}'");
        return () =>
        {
            var undo = HasPooler(Spec) && now == Pooling.Cls ? HeadParts.DropDense(this) : null;
            Pooling = wanted;
            return undo + (() => Pooling = now);
        };
    }

    private static Pooling DefaultPooling(TransformerSpec spec) => spec.Causal ? Pooling.Last : Pooling.Cls;

    private static Pooling? ConfiguredPooling(ModelConfig config, TransformerSpec spec)
    {
        var configured = Poolings.Parse(config.Text(Poolings.Field, null), config.Source);
        if (configured is { } pooling) Check(spec, pooling, config.Source);
        return configured;
    }

    private static void Check(TransformerSpec spec, Pooling pooling, string source)
    {
        if (spec.Kind == TransformerKind.EncoderDecoder) throw new UnsupportedModelException($"{source}: an encoder-decoder model classifies the decoder's state at the last end-of-sequence token: omit pooling.");
        if (spec.Causal && pooling == Pooling.Cls) throw new UnsupportedModelException($"{source}: a decoder's first token attends to none of the others: use {nameof(Pooling)}.{Pooling.Last} or {Pooling.Mean}.");
    }

    // The pooler belongs to the base model and was pretrained on the first token.
    private static bool HasPooler(TransformerSpec spec) => spec.Classifier.Dense?.StartsWith(spec.Names.Base + ".", StringComparison.Ordinal) == true;

    private static HeadSpec HeadFor(TransformerSpec spec, Pooling? pooling)
        => HasPooler(spec) && pooling is not (null or Pooling.Cls) ? spec.Classifier with { Dense = null, Activation = null } : spec.Classifier;
}
