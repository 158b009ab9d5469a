using Peft.Modules;
using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>A transformer without a head: hidden states <c>[batch, sequence, hidden]</c>, or one vector per row. Its parameter names have no prefix, as in Hugging Face's bare models.</summary>
public sealed class FeatureExtractor : PretrainedModel
{
    private FeatureExtractor(ModelConfig config, TransformerSpec spec, LoadOptions options)
        : base(config, Require(config, spec, nameof(FeatureExtractor), TransformerKind.Decoder, TransformerKind.Encoder), options.Placement, bare: true) { }

    /// <summary>Loads a model in Hugging Face's layout. The head of a checkpoint is ignored.</summary>
    /// <param name="nameOrPath">A local folder, or the id of a model on the hub. An existing folder takes precedence.</param>
    /// <param name="options">Dtype, device and other options.</param>
    /// <exception cref="HubException">The model could not be downloaded.</exception>
    /// <exception cref="ModelFolderException">A file is missing or cannot be read.</exception>
    /// <exception cref="UnsupportedModelException">The configuration requires a feature that is not implemented.</exception>
    /// <exception cref="CheckpointMismatchException">The weights do not match the configuration.</exception>
    public static FeatureExtractor FromPretrained(string nameOrPath, LoadOptions? options = null)
        => Open(nameOrPath, options, (config, spec, choices) => new FeatureExtractor(config, spec, choices));

    /// <summary>Creates a model with random weights.</summary>
    /// <param name="config">The model's configuration.</param>
    /// <param name="seed">Seed of the random weights.</param>
    /// <param name="options">Dtype, device and other options.</param>
    public static FeatureExtractor FromConfig(ModelConfig config, long seed = 0, LoadOptions? options = null)
        => Fresh(config, seed, options, (made, spec, choices) => new FeatureExtractor(made, spec, choices));

    /// <inheritdoc/>
    public override string? TaskType => "FEATURE_EXTRACTION";

    internal override AdaptableModule? HeadModule => null;

    /// <inheritdoc/>
    /// <returns>The last hidden states <c>[batch, sequence, hidden]</c>.</returns>
    public override Tensor forward(ModelInput input)
    {
        ArgumentNullException.ThrowIfNull(input);
        using var prompted = PromptedInput.Of(this, input);
        return Backbone.call(prompted.Input);
    }

    /// <summary>One vector per row: the mean of the hidden states of its real tokens.</summary>
    /// <param name="input">The input. Its attention mask marks the real tokens.</param>
    /// <param name="normalize">True to scale the vectors to length 1, so that their dot products are cosine similarities.</param>
    /// <returns><c>[batch, hidden]</c>; zeros for a row without real tokens.</returns>
    public Tensor Embed(ModelInput input, bool normalize = false)
    {
        ArgumentNullException.ThrowIfNull(input);
        using var scope = NewDisposeScope();
        using var prompted = PromptedInput.Unpadded(this, input);
        var mean = HiddenStates.Mean(prompted.Own(prompted.States(Backbone)), input.AttentionMask);
        if (normalize) mean = nn.functional.normalize(mean, 2, 1);
        return mean.MoveToOuterDisposeScope();
    }

    /// <summary>Not supported: a model without a head has no loss.</summary>
    /// <exception cref="NotSupportedException">Always.</exception>
    public override Tensor Loss(ModelInput input, Tensor labels)
        => throw new NotSupportedException("A FeatureExtractor has no loss: compute one from forward or Embed, or use a model with a head.");
}
