using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>
/// Classifies its input: logits <c>[batch, classes]</c>. A decoder by the hidden state of the last real token, an encoder by that of the first,
/// an encoder with a decoder by the state with which the decoder reads the input's last end-of-sequence token.
/// </summary>
public sealed class SequenceClassifier : HeadedModel
{
    private SequenceClassifier(ModelConfig config, TransformerSpec spec, LoadOptions options)
        : base(config, Require(config, spec, nameof(SequenceClassifier), TransformerKind.Decoder, TransformerKind.Encoder, TransformerKind.EncoderDecoder), spec.Classifier, config.LabelCount, options, spec.ClassifyingBase) { }

    /// <summary>Loads a model in Hugging Face's layout. A head that the checkpoint lacks, or that the options' labels do not fit, is drawn at random.</summary>
    /// <param name="nameOrPath">A folder, or the id of a model on the hub. A folder of that name wins.</param>
    /// <param name="options">Type, device, labels and further choices.</param>
    /// <exception cref="HubException">The model could not be downloaded.</exception>
    /// <exception cref="ModelFolderException">A file is missing or cannot be read.</exception>
    /// <exception cref="UnsupportedModelException">The configuration asks for something that is not implemented.</exception>
    /// <exception cref="CheckpointMismatchException">The weights do not fit the configuration.</exception>
    public static SequenceClassifier FromPretrained(string nameOrPath, LoadOptions? options = null)
        => Open(nameOrPath, options, (config, spec, choices) => new SequenceClassifier(config, spec, choices));

    /// <summary>A model with random weights.</summary>
    /// <param name="config">Its configuration.</param>
    /// <param name="seed">Seed of the weights.</param>
    /// <param name="options">Type, device, labels and further choices.</param>
    public static SequenceClassifier FromConfig(ModelConfig config, long seed = 0, LoadOptions? options = null)
        => Fresh(config, seed, options, (made, spec, choices) => new SequenceClassifier(made, spec, choices));

    /// <summary>Number of classes.</summary>
    public int LabelCount => Config.LabelCount;

    /// <inheritdoc/>
    public override string? TaskType => "SEQ_CLS";

    /// <inheritdoc/>
    /// <returns>Logits <c>[batch, classes]</c>.</returns>
    /// <exception cref="ArgumentException">Several rows, and no way to tell which token is a row's last; or, with an encoder and a decoder, rows whose numbers of end-of-sequence tokens differ or are 0.</exception>
    public override Tensor forward(ModelInput input)
    {
        ArgumentNullException.ThrowIfNull(input);
        using var scope = NewDisposeScope();
        InputRules.Check(this, input);
        if (Spec.Kind == TransformerKind.EncoderDecoder) return HeadParts.Run(EndStates(input)).MoveToOuterDisposeScope();
        using var prompted = PromptedInput.Of(this, input);
        var hidden = Backbone.call(prompted.Input);
        // An encoder's first position is that of a virtual token then, as in Hugging Face PEFT.
        return HeadParts.Run(Spec.Causal ? LastRows(input, hidden.narrow(1, prompted.Count, hidden.shape[1] - prompted.Count)) : prompted.First(hidden)).MoveToOuterDisposeScope();
    }

    // The decoder reads the input again, shifted by one, so that it reads a token where the encoder has the next.
    private Tensor EndStates(ModelInput input)
    {
        var ids = input.InputIds ?? throw new ArgumentException("An encoder with a decoder classifies token ids, not embeddings: they tell where the input ends.", nameof(input));
        if (Config.Ids("eos_token_id") is not [var end, ..]) throw new ModelFolderException($"{Config.Source} has no eos_token_id, which tells the state that is classified.");
        var ends = ids.eq(end);
        var counts = ends.sum(1);
        var (least, most) = (counts.min().item<long>(), counts.max().item<long>());
        if (least != most || least == 0)
            throw new ArgumentException($"The rows have from {least} to {most} end-of-sequence tokens (id {end}), but each must have one, or all as many: add it when the texts are encoded.", nameof(input));
        var last = ends.to_type(ScalarType.Int64).mul(arange(ids.shape[1], ScalarType.Int64, ids.device)).argmax(1);
        var start = Config.Id("decoder_start_token_id") ?? Config.PadTokenId ?? 0;
        var shifted = cat([full(ids.shape[0], 1, start, ids.dtype, ids.device), ids.narrow(1, 0, ids.shape[1] - 1)], 1);
        using var prompted = PromptedInput.Of(this, input with { DecoderInputIds = input.DecoderInputIds ?? shifted });
        var hidden = Backbone.call(prompted.Input);
        var (rows, length, width) = (ids.shape[0], hidden.shape[1], hidden.shape[2]);
        var first = arange(rows, ScalarType.Int64, ids.device).mul(length).add(length - ids.shape[1]);   // virtual tokens come before
        return hidden.reshape(-1, width).index_select(0, first.add(last));
    }

    private Tensor LastRows(ModelInput input, Tensor hidden)
    {
        var shape = hidden.shape;
        var last = LastPositions(input, shape[0], shape[1]);
        return last is null
            ? hidden.narrow(1, -1, 1).squeeze(1)
            : hidden.reshape(-1, shape[2]).index_select(0, last.add(arange(shape[0], ScalarType.Int64, hidden.device).mul(shape[1])));
    }

    /// <summary>The position of each row's last real token; null if it is the last one of all rows.</summary>
    private Tensor? LastPositions(ModelInput input, long batch, long length)
    {
        // As in transformers, the padding id decides; the mask, where the configuration names no such id.
        Tensor real;
        if (input.InputIds is { } ids && Config.PadTokenId is { } pad) real = ids.ne(pad);
        else if (input.AttentionMask is { } mask) real = mask.narrow(1, mask.shape[1] - length, length).ne(0);
        else if (batch == 1 || input.InputIds is null) return null;
        else throw new ArgumentException(
            $"{Config.Source} has no pad_token_id, so the last token of each of the {batch} rows is unknown: give an attention mask.", nameof(input));
        return real.to_type(ScalarType.Int64).mul(arange(length, ScalarType.Int64, real.device)).argmax(1);
    }

    /// <inheritdoc/>
    /// <remarks>
    /// By <c>problem_type</c>, or by the labels if the file names none: mean square error for one class, cross-entropy for
    /// integer labels <c>[batch]</c>, binary cross-entropy for labels <c>[batch, classes]</c>.
    /// </remarks>
    public override Tensor Loss(ModelInput input, Tensor labels)
    {
        TensorRules.RequireAlive(labels, nameof(labels));
        using var logits = forward(input);
        return ClassificationLoss.Of(logits, labels, Config.Text("problem_type", null), Config.Source);
    }
}
