using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>Extractive question answering: logits <c>[batch, sequence, 2]</c> for each token to be the first or the last one of the answer.</summary>
public sealed class QuestionAnswerer : HeadedModel
{
    private QuestionAnswerer(ModelConfig config, TransformerSpec spec, LoadOptions options)
        : base(config, Require(config, spec, nameof(QuestionAnswerer), TransformerKind.Decoder, TransformerKind.Encoder), HeadOf(config, spec), 2, options, spec.AnsweringBase) { }

    private static HeadSpec HeadOf(ModelConfig config, TransformerSpec spec) => spec.QuestionAnswerer
        ?? throw new UnsupportedModelException($"{config.Source}: transformers has no question answering model for model_type '{config.ModelType}', so its head has no parameter names. Use a {nameof(TokenClassifier)} with two classes instead.");

    /// <summary>Loads a model in Hugging Face's layout. A head that the checkpoint lacks is initialized at random.</summary>
    /// <param name="nameOrPath">A local folder, or the id of a model on the hub. An existing folder takes precedence.</param>
    /// <param name="options">Dtype, device and other options.</param>
    /// <exception cref="HubException">The model could not be downloaded.</exception>
    /// <exception cref="ModelFolderException">A file is missing or cannot be read.</exception>
    /// <exception cref="UnsupportedModelException">The configuration requires a feature that is not implemented.</exception>
    /// <exception cref="CheckpointMismatchException">The weights do not match the configuration.</exception>
    public static QuestionAnswerer FromPretrained(string nameOrPath, LoadOptions? options = null)
        => Open(nameOrPath, options, (config, spec, choices) => new QuestionAnswerer(config, spec, choices));

    /// <summary>Creates a model with random weights.</summary>
    /// <param name="config">The model's configuration.</param>
    /// <param name="seed">Seed of the random weights.</param>
    /// <param name="options">Dtype, device and other options.</param>
    public static QuestionAnswerer FromConfig(ModelConfig config, long seed = 0, LoadOptions? options = null)
        => Fresh(config, seed, options, (made, spec, choices) => new QuestionAnswerer(made, spec, choices));

    /// <inheritdoc/>
    public override string? TaskType => "QUESTION_ANS";

    /// <inheritdoc/>
    /// <returns>Logits <c>[batch, sequence, 2]</c> of the start and the end.</returns>
    public override Tensor forward(ModelInput input) => LogitsOf(input);

    /// <inheritdoc/>
    /// <remarks>
    /// The labels are the positions of the answer's first and last token, <c>[batch, 2]</c>, or <c>start_positions</c> and
    /// <c>end_positions</c> in <see cref="Batch.Extra"/>. The loss is the mean of the two cross-entropies. Positions outside the sequence, such as those of an
    /// answer that was truncated, are ignored. Virtual tokens do not shift the labels, as in Hugging Face PEFT: logits i belong to token i of the input,
    /// although with virtual tokens they are computed from an earlier position, so that models trained with either library give the same answers.
    /// </remarks>
    public override Tensor Loss(ModelInput input, Tensor labels) => LossAlone(input, labels);

    private protected override (Tensor Loss, Tensor Output) LossAndOutput(ModelInput input, Tensor labels)
    {
        TensorRules.RequireAlive(labels, nameof(labels));
        using var prompted = PromptedInput.Of(this, input);   // the softmax is over padding too, as in transformers
        using var hidden = Backbone.call(prompted.Input);
        using var logits = HeadParts.Run(hidden);
        using var positions = prompted.FromOwn(labels);
        return (ClassificationLoss.Span(logits, positions), prompted.Counted(logits));
    }

    /// <summary>Logits at the positions that the labels refer to, one for each token of the input. Those of padding have no meaning.</summary>
    internal Tensor OwnLogits(ModelInput input)
    {
        using var prompted = PromptedInput.Unpadded(this, input);
        using var hidden = prompted.States(Backbone);
        using var logits = HeadParts.Run(hidden);
        return prompted.Counted(logits);
    }

    private protected override int? FirstLabel => null;   // the start and the end are averaged separately

    private protected override Tensor? LabelsOf(Batch batch)
        => batch.Extra.TryGetValue("start_positions", out var start) && batch.Extra.TryGetValue("end_positions", out var end)
            ? Ends(start, end) : null;

    private static Tensor Ends(Tensor start, Tensor end)
    {
        if (TensorRules.RequireAlive(start, "start_positions").numel() != TensorRules.RequireAlive(end, "end_positions").numel() || start.dtype != end.dtype)
            throw new ArgumentException($"start_positions are {TensorRules.Describe(start)} and end_positions {TensorRules.Describe(end)}, but both must be [batch] of the same dtype.");
        return stack([start.reshape(-1), end.reshape(-1)], 1);
    }
}
