using Peft.Gguf;
using Peft.Hub;
using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>A language model that predicts the next token: logits <c>[batch, sequence, vocabulary]</c>.</summary>
public sealed class CausalLM : LanguageModel
{
    private CausalLM(ModelConfig config, TransformerSpec spec, LoadOptions options)
        : base(config, Require(config, spec, nameof(CausalLM), TransformerKind.Decoder), options.Placement) { }

    /// <summary>Loads a model in Hugging Face's layout (<c>config.json</c> and safetensors), or a GGUF file.</summary>
    /// <param name="nameOrPath">A local folder, a <c>.gguf</c> file, or the id of a model on the hub. What exists locally takes precedence.</param>
    /// <param name="options">Dtype, device and other options.</param>
    /// <exception cref="HubException">The model could not be downloaded.</exception>
    /// <exception cref="ModelFolderException">A file is missing or cannot be read.</exception>
    /// <exception cref="UnsupportedModelException">The configuration requires a feature that is not implemented.</exception>
    /// <exception cref="CheckpointMismatchException">The weights do not match the configuration.</exception>
    public static CausalLM FromPretrained(string nameOrPath, LoadOptions? options = null)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(nameOrPath);
        options ??= new();
        if (GgufHeader.IsFile(nameOrPath)) return OpenGguf(nameOrPath, options, (config, spec, choices) => new CausalLM(config, spec, choices));
        return OpenWithDefaults(ModelSource.Resolve(nameOrPath, options), options, (config, spec, choices) => new CausalLM(config, spec, choices));
    }

    /// <summary>Creates a model with random weights.</summary>
    /// <param name="config">The model's configuration.</param>
    /// <param name="seed">Seed of the random weights.</param>
    /// <param name="options">Dtype, device and other options.</param>
    public static CausalLM FromConfig(ModelConfig config, long seed = 0, LoadOptions? options = null)
        => Fresh(config, seed, options, (made, spec, choices) => new CausalLM(made, spec, choices));

    /// <inheritdoc/>
    public override string? TaskType => "CAUSAL_LM";

    internal override bool ExtendsPrompt => true;

    // The last virtual embedding predicts the first token.
    private protected override int? FirstLabel => Prompts?.Rows switch
    {
        null => 1,
        [{ Labels: null } row] => row.Embeddings > 0 ? 0 : 1,
        _ => null,
    };

    internal override Continuation Continue(IReadOnlyList<IReadOnlyList<int>> prompts, int padding) => new(prompts, (input, _) => ForwardLast(input));

    /// <inheritdoc/>
    /// <returns>Logits <c>[batch, sequence, vocabulary]</c>; with virtual tokens <c>[batch, virtual + sequence, vocabulary]</c>, those of the virtual tokens first.</returns>
    public override Tensor forward(ModelInput input)
    {
        using var prompted = PromptedInput.Of(this, input);
        using var hidden = Backbone.call(prompted.Input);
        return Logits(hidden);
    }

    /// <summary>The logits of the last position, <c>[batch, 1, vocabulary]</c>.</summary>
    public Tensor ForwardLast(ModelInput input)
    {
        using var prompted = PromptedInput.Of(this, input);
        using var hidden = Backbone.call(prompted.Input);
        using var last = hidden.narrow(1, -1, 1);
        return Logits(last);
    }

    /// <summary>The logits of positions whose hidden states are known.</summary>
    /// <param name="hidden"><c>[…, hidden]</c></param>
    internal Tensor NextLogits(Tensor hidden) => Logits(hidden);

    /// <inheritdoc/>
    /// <remarks>
    /// Mean cross-entropy of the next token over the labels that are not <see cref="Batch.IgnoredLabel"/>; 0 if there are none. Logits are computed
    /// only at the positions of those labels. If the head is frozen, they are computed in chunks.
    /// </remarks>
    public override Tensor Loss(ModelInput input, Tensor labels)
    {
        ArgumentNullException.ThrowIfNull(input);
        TensorRules.RequireAlive(labels, nameof(labels));
        using var prompted = PromptedInput.Of(this, input.AttentionMask is { } mask && PadsOnTheRight(mask) ? input with { AttentionMask = null } : input);
        using var hidden = Backbone.call(prompted.Input);
        using var scaled = Scale(hidden);
        return prompted.NextTokenLoss(labels, targets => Objective.NextToken(scaled, targets, input.PackedLengths));
    }

    /// <summary>The log-probabilities of given tokens, computed in chunks so that the logits of all positions are never in memory together.</summary>
    /// <param name="input">Token ids <c>[batch, sequence]</c>, padded on either side or packed.</param>
    /// <param name="labels">The tokens to predict, <c>[batch, sequence]</c>, not shifted: <see cref="Batch.IgnoredLabel"/> at positions that do not count.</param>
    /// <param name="statistics">Additional quantities to compute.</param>
    /// <param name="temperature">Divisor of the logits.</param>
    public TokenPredictions Predict(ModelInput input, Tensor labels, TokenStatistics statistics = TokenStatistics.None, double temperature = 1)
        => Predict(input, labels, statistics, temperature, differentiatesEntropy: false);

    // With differentiatesEntropy, the entropies have a gradient.
    internal TokenPredictions Predict(ModelInput input, Tensor labels, TokenStatistics statistics, double temperature, bool differentiatesEntropy)
    {
        ArgumentNullException.ThrowIfNull(input);
        TensorRules.RequireAlive(labels, nameof(labels));
        if (!(temperature > 0)) throw new ArgumentOutOfRangeException(nameof(temperature), temperature, "The temperature must be above 0.");
        var padding = statistics.HasFlag(TokenStatistics.MeanLogitOfAllPositions);   // the states of padding count
        if (!padding && PackedRows.Of(this, input, labels) is { } packed)
        {
            using var free = packed;
            using var predicted = Predict(packed.Input, packed.Labels, statistics, temperature, differentiatesEntropy);
            return packed.Unpack(predicted);
        }
        using var prompted = PromptedInput.Of(this, !padding && input.AttentionMask is { } mask && PadsOnTheRight(mask) ? input with { AttentionMask = null } : input);
        using var hidden = Backbone.call(prompted.Input);
        using var own = hidden.narrow(1, prompted.Count, hidden.size(1) - prompted.Count);
        using var scaled = Scale(own);
        return Objective.Predict(scaled, labels, input.PackedLengths, statistics, temperature, differentiatesEntropy);
    }

    /// <summary>The hidden states that predict given tokens, <c>[tokens, hidden]</c>, in row order, for losses over the whole distribution.</summary>
    /// <param name="input">As in <see cref="Predict(ModelInput, Tensor, TokenStatistics, double)"/>.</param>
    /// <param name="labels">As in that method. Tokens whose label is ignored have no state.</param>
    internal Tensor PredictingStates(ModelInput input, Tensor labels)
    {
        using var scope = NewDisposeScope();
        using var prompted = PromptedInput.Of(this, input);
        var hidden = Backbone.call(prompted.Input);
        var width = labels.size(1);
        var kept = labels.narrow(1, 1, width - 1).ne(Constant(Batch.IgnoredLabel)).reshape(-1).nonzero().squeeze(1);
        return Scale(hidden.narrow(1, prompted.Count, width - 1).reshape(-1, hidden.size(-1)).index_select(0, kept)).MoveToOuterDisposeScope();
    }

    /// <summary>What a measure computes from the logits of hidden states, <c>[values, tokens]</c>, in chunks.</summary>
    internal Tensor Measure(Tensor states, RowMeasure measure) => Objective.Measure(states, measure);

    /// <summary>The logits of hidden states, <c>[tokens, vocabulary]</c> in float32.</summary>
    internal Tensor LogitsOf(Tensor states) => Objective.Logits(states);

    /// <summary>The hidden states of the input's positions, <c>[batch, sequence, hidden]</c>, for other heads.</summary>
    internal Tensor HiddenStatesOf(ModelInput input)
    {
        using var prompted = PromptedInput.Of(this, input);
        using var hidden = Backbone.call(prompted.Input);
        return hidden.narrow(1, prompted.Count, hidden.size(1) - prompted.Count);
    }

    // With a causal mask, real tokens do not attend to padding on their right, and labels there are ignored. Attention is faster without a mask.
    private bool PadsOnTheRight(Tensor mask)
    {
        if (Spec.Positions == PositionRule.RealTokens || PeftModel.Of(this)?.MixesPositions == true) return false;
        if (mask.IsInvalid || mask.shape is not [_, >= 2 and var width]) return false;
        using var before = mask.narrow(1, 0, width - 1);
        using var after = mask.narrow(1, 1, width - 1);
        using var rising = before.lt(after);
        using var any = rising.any();
        return !any.item<bool>();
    }
}
