using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>A masked language model: logits <c>[batch, sequence, vocabulary]</c> for the token at each position.</summary>
public sealed class MaskedLM : HeadedModel
{
    private readonly VocabularyLoss loss;
    private readonly string outputBias, outputBiasKey;

    private MaskedLM(ModelConfig config, TransformerSpec spec, LoadOptions options)
        : base(config, Require(config, spec, nameof(MaskedLM), TransformerKind.Encoder), HeadOf(config, spec), spec.VocabularySize, options)
    {
        var head = spec.MaskedHead!;
        if (spec.TiedHead)
        {
            Head.TieWeight(InputEmbeddings);
            TiedParameters = new HashSet<string> { head.Output + ".weight" };
        }
        outputBias = head.Output + ".bias";
        outputBiasKey = spec.TiedHead && head.OutputBiasKey is { } key ? key : outputBias;   // an untied projection has its own bias
        loss = new VocabularyLoss(Head, null);
    }

    private static HeadSpec HeadOf(ModelConfig config, TransformerSpec spec)
        => spec.MaskedHead ?? throw new UnsupportedModelException($"{config.Source}: model_type '{config.ModelType}' has no masked language modeling head.");

    /// <summary>Loads a model in Hugging Face's layout. Parameters of the head that the checkpoint lacks are initialized at random.</summary>
    /// <param name="nameOrPath">A local folder, or the id of a model on the hub. An existing folder takes precedence.</param>
    /// <param name="options">Dtype, device and other options.</param>
    /// <exception cref="HubException">The model could not be downloaded.</exception>
    /// <exception cref="ModelFolderException">A file is missing or cannot be read.</exception>
    /// <exception cref="UnsupportedModelException">The configuration requires a feature that is not implemented.</exception>
    /// <exception cref="CheckpointMismatchException">The weights do not match the configuration.</exception>
    public static MaskedLM FromPretrained(string nameOrPath, LoadOptions? options = null)
        => Open(nameOrPath, options, (config, spec, choices) => new MaskedLM(config, spec, choices));

    /// <summary>Creates a model with random weights.</summary>
    /// <param name="config">The model's configuration.</param>
    /// <param name="seed">Seed of the random weights.</param>
    /// <param name="options">Dtype, device and other options.</param>
    public static MaskedLM FromConfig(ModelConfig config, long seed = 0, LoadOptions? options = null)
        => Fresh(config, seed, options, (made, spec, choices) => new MaskedLM(made, spec, choices));

    /// <summary>Null: Hugging Face PEFT has no task type for masked language models.</summary>
    public override string? TaskType => null;

    // Checkpoints of all versions of transformers store the bias next to its projection.
    internal override string KeyOf(string name) => name == outputBias ? outputBiasKey : name;

    /// <inheritdoc/>
    /// <returns>Logits <c>[batch, sequence, vocabulary]</c>.</returns>
    public override Tensor forward(ModelInput input) => LogitsOf(input);

    /// <inheritdoc/>
    /// <remarks>
    /// Mean cross-entropy over the labels <c>[batch, sequence]</c> that are not <see cref="Batch.IgnoredLabel"/>; 0 if there are none. Logits are
    /// computed only at the positions of those labels.
    /// </remarks>
    public override Tensor Loss(ModelInput input, Tensor labels)
    {
        ArgumentNullException.ThrowIfNull(input);
        TensorRules.RequireAlive(labels, nameof(labels));
        using var read = labels.ne(Constant(Batch.IgnoredLabel));
        using var prompted = PromptedInput.Unpadded(this, input, read);
        using var hidden = prompted.States(Backbone);
        using var targets = prompted.Labels(labels);
        return loss.SameToken(hidden, targets, HeadParts.Prepare);
    }
}
