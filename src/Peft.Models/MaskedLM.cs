using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>Fills in masked tokens: logits <c>[batch, sequence, vocabulary]</c> for each position's own token.</summary>
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
        outputBiasKey = spec.TiedHead && head.OutputBiasKey is { } key ? key : outputBias;   // untied, the projection reads a bias of its own
        loss = new VocabularyLoss(Head, null);
    }

    private static HeadSpec HeadOf(ModelConfig config, TransformerSpec spec)
        => spec.MaskedHead ?? throw new UnsupportedModelException($"{config.Source}: model_type '{config.ModelType}' has no head for masked tokens.");

    /// <summary>Loads a model in Hugging Face's layout. Parts of the head that the checkpoint lacks are drawn at random.</summary>
    /// <param name="nameOrPath">A folder, or the id of a model on the hub. A folder of that name wins.</param>
    /// <param name="options">Type, device and further choices.</param>
    /// <exception cref="HubException">The model could not be downloaded.</exception>
    /// <exception cref="ModelFolderException">A file is missing or cannot be read.</exception>
    /// <exception cref="UnsupportedModelException">The configuration asks for something that is not implemented.</exception>
    /// <exception cref="CheckpointMismatchException">The weights do not fit the configuration.</exception>
    public static MaskedLM FromPretrained(string nameOrPath, LoadOptions? options = null)
        => Open(nameOrPath, options, (config, spec, choices) => new MaskedLM(config, spec, choices));

    /// <summary>A model with random weights.</summary>
    /// <param name="config">Its configuration.</param>
    /// <param name="seed">Seed of the weights.</param>
    /// <param name="options">Type, device and further choices.</param>
    public static MaskedLM FromConfig(ModelConfig config, long seed = 0, LoadOptions? options = null)
        => Fresh(config, seed, options, (made, spec, choices) => new MaskedLM(made, spec, choices));

    /// <summary>Null: Hugging Face PEFT knows no such task.</summary>
    public override string? TaskType => null;

    // Both old and new checkpoints hold the bias beside the projection that it belongs to.
    internal override string KeyOf(string name) => name == outputBias ? outputBiasKey : name;

    /// <inheritdoc/>
    /// <returns>Logits <c>[batch, sequence, vocabulary]</c>.</returns>
    public override Tensor forward(ModelInput input)
    {
        ArgumentNullException.ThrowIfNull(input);
        using var prompted = PromptedInput.Of(this, input);
        using var hidden = Backbone.call(prompted.Input);
        return HeadParts.Run(hidden);
    }

    /// <inheritdoc/>
    /// <remarks>
    /// Mean cross-entropy over the labels <c>[batch, sequence]</c> that are not <see cref="Batch.IgnoredLabel"/>, for which alone logits are
    /// computed; 0 if there are none.
    /// </remarks>
    public override Tensor Loss(ModelInput input, Tensor labels)
    {
        ArgumentNullException.ThrowIfNull(input);
        TensorRules.RequireAlive(labels, nameof(labels));
        using var prompted = PromptedInput.Of(this, input);
        using var hidden = Backbone.call(prompted.Input);
        using var targets = prompted.Labels(labels);
        return loss.SameToken(hidden, targets, HeadParts.Prepare);
    }
}
