using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>Finds an answer in a text: logits <c>[batch, sequence, 2]</c> of each token to be the answer's first and its last.</summary>
public sealed class QuestionAnswerer : HeadedModel
{
    private QuestionAnswerer(ModelConfig config, TransformerSpec spec, LoadOptions options)
        : base(config, Require(config, spec, nameof(QuestionAnswerer), TransformerKind.Decoder, TransformerKind.Encoder), HeadOf(config, spec), 2, options, spec.AnsweringBase) { }

    private static HeadSpec HeadOf(ModelConfig config, TransformerSpec spec) => spec.QuestionAnswerer
        ?? throw new UnsupportedModelException($"{config.Source}: transformers has no model_type '{config.ModelType}' that answers questions, so there are no names for its head. Use a {nameof(TokenClassifier)} with two classes instead.");

    /// <summary>Loads a model in Hugging Face's layout. A head that the checkpoint lacks is drawn at random.</summary>
    /// <param name="nameOrPath">A folder, or the id of a model on the hub. A folder of that name wins.</param>
    /// <param name="options">Type, device and further choices.</param>
    /// <exception cref="HubException">The model could not be downloaded.</exception>
    /// <exception cref="ModelFolderException">A file is missing or cannot be read.</exception>
    /// <exception cref="UnsupportedModelException">The configuration asks for something that is not implemented.</exception>
    /// <exception cref="CheckpointMismatchException">The weights do not fit the configuration.</exception>
    public static QuestionAnswerer FromPretrained(string nameOrPath, LoadOptions? options = null)
        => Open(nameOrPath, options, (config, spec, choices) => new QuestionAnswerer(config, spec, choices));

    /// <summary>A model with random weights.</summary>
    /// <param name="config">Its configuration.</param>
    /// <param name="seed">Seed of the weights.</param>
    /// <param name="options">Type, device and further choices.</param>
    public static QuestionAnswerer FromConfig(ModelConfig config, long seed = 0, LoadOptions? options = null)
        => Fresh(config, seed, options, (made, spec, choices) => new QuestionAnswerer(made, spec, choices));

    /// <inheritdoc/>
    public override string? TaskType => "QUESTION_ANS";

    /// <inheritdoc/>
    /// <returns>Logits <c>[batch, sequence, 2]</c>: of the start, of the end.</returns>
    public override Tensor forward(ModelInput input)
    {
        ArgumentNullException.ThrowIfNull(input);
        using var prompted = PromptedInput.Of(this, input);
        using var hidden = Backbone.call(prompted.Input);
        return HeadParts.Run(hidden);
    }

    /// <inheritdoc/>
    /// <remarks>
    /// Labels are the positions of the answer's first and last token, <c>[batch, 2]</c> (of a batch also <c>start_positions</c> and
    /// <c>end_positions</c> in <see cref="Batch.Extra"/>). Mean of the two cross-entropies; positions outside of the sequence, as of an answer
    /// that was cut off, do not count. Virtual tokens before the input do not move the labels, as in Hugging Face PEFT: logits i are those of the
    /// input's token i, whatever state they are computed from, so that the largest of all is the answer here and there.
    /// </remarks>
    public override Tensor Loss(ModelInput input, Tensor labels)
    {
        var (loss, logits) = LossAndOutput(input, labels);
        logits.Dispose();
        return loss;
    }

    private protected override (Tensor Loss, Tensor Output) LossAndOutput(ModelInput input, Tensor labels)
    {
        ArgumentNullException.ThrowIfNull(labels);
        using var prompted = PromptedInput.Of(this, input);
        using var hidden = Backbone.call(prompted.Input);
        using var logits = HeadParts.Run(hidden);
        using var positions = prompted.FromOwn(labels);
        return (ClassificationLoss.Span(logits, positions), prompted.Counted(logits));
    }

    /// <summary>Logits by the positions that labels count, one for each token of the input.</summary>
    internal Tensor OwnLogits(ModelInput input)
    {
        using var prompted = PromptedInput.Of(this, input);
        using var hidden = Backbone.call(prompted.Input);
        using var logits = HeadParts.Run(hidden);
        return prompted.Counted(logits);
    }

    private protected override int? FirstLabel => null;   // the start and the end have means of their own

    private protected override Tensor? LabelsOf(Batch batch)
        => batch.Extra.TryGetValue("start_positions", out var start) && batch.Extra.TryGetValue("end_positions", out var end)
            ? stack([start.reshape(-1), end.reshape(-1)], 1) : null;
}
