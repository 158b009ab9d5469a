using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>Classifies each token: logits <c>[batch, sequence, classes]</c>.</summary>
public sealed class TokenClassifier : ClassifyingModel
{
    private TokenClassifier(ModelConfig config, TransformerSpec spec, LoadOptions options)
        : base(config, Require(config, spec, nameof(TokenClassifier), TransformerKind.Decoder, TransformerKind.Encoder), spec.TokenClassifier, options) { }

    /// <summary>Loads a model in Hugging Face's layout. A head that the checkpoint lacks, or that does not fit the labels of the options, is initialized at random.</summary>
    /// <param name="nameOrPath">A local folder, or the id of a model on the hub. An existing folder takes precedence.</param>
    /// <param name="options">Dtype, device, labels and other options.</param>
    /// <exception cref="HubException">The model could not be downloaded.</exception>
    /// <exception cref="ModelFolderException">A file is missing or cannot be read.</exception>
    /// <exception cref="UnsupportedModelException">The configuration requires a feature that is not implemented.</exception>
    /// <exception cref="CheckpointMismatchException">The weights do not match the configuration.</exception>
    public static TokenClassifier FromPretrained(string nameOrPath, LoadOptions? options = null)
        => Open(nameOrPath, options, (config, spec, choices) => new TokenClassifier(config, spec, choices));

    /// <summary>Creates a model with random weights.</summary>
    /// <param name="config">The model's configuration.</param>
    /// <param name="seed">Seed of the random weights.</param>
    /// <param name="options">Dtype, device, labels and other options.</param>
    public static TokenClassifier FromConfig(ModelConfig config, long seed = 0, LoadOptions? options = null)
        => Fresh(config, seed, options, (made, spec, choices) => new TokenClassifier(made, spec, choices));

    /// <inheritdoc/>
    public override string? TaskType => "TOKEN_CLS";

    /// <inheritdoc/>
    /// <returns>Logits <c>[batch, sequence, classes]</c>.</returns>
    public override Tensor forward(ModelInput input) => LogitsOf(input);

    /// <inheritdoc/>
    /// <remarks>Mean cross-entropy over the labels <c>[batch, sequence]</c> that are not <see cref="Batch.IgnoredLabel"/>; 0 if there are none.</remarks>
    public override Tensor Loss(ModelInput input, Tensor labels) => LossAlone(input, labels);

    private protected override (Tensor Loss, Tensor Output) LossAndOutput(ModelInput input, Tensor labels)
    {
        TensorRules.RequireAlive(labels, nameof(labels));
        using var read = labels.ne(Constant(Batch.IgnoredLabel));
        using var prompted = PromptedInput.Unpadded(this, input, read);
        using var hidden = prompted.States(Backbone);
        using var logits = HeadParts.Run(hidden);
        using var targets = prompted.Labels(labels);
        using var weights = WeightsFor(logits);
        return (ClassificationLoss.PerToken(logits, targets, weights), prompted.Own(logits));
    }

    /// <summary>Logits without those of the virtual tokens. Those of padding have no meaning.</summary>
    internal Tensor OwnLogits(ModelInput input)
    {
        using var prompted = PromptedInput.Unpadded(this, input);
        using var hidden = prompted.States(Backbone);
        using var logits = HeadParts.Run(hidden);
        return prompted.Own(logits);
    }
}
