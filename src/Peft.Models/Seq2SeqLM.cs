using Peft.Checkpoints;
using Peft.Hub;
using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>An encoder-decoder language model: logits <c>[batch, target, vocabulary]</c>.</summary>
public sealed class Seq2SeqLM : LanguageModel
{
    private Seq2SeqLM(ModelConfig config, TransformerSpec spec, LoadOptions options)
        : base(config, Require(config, spec, nameof(Seq2SeqLM), TransformerKind.EncoderDecoder), options.Placement) { }

    /// <summary>Loads a model in Hugging Face's layout.</summary>
    /// <param name="nameOrPath">A local folder, or the id of a model on the hub. An existing folder takes precedence.</param>
    /// <param name="options">Dtype, device and other options.</param>
    /// <exception cref="HubException">The model could not be downloaded.</exception>
    /// <exception cref="ModelFolderException">A file is missing or cannot be read.</exception>
    /// <exception cref="UnsupportedModelException">The configuration requires a feature that is not implemented.</exception>
    /// <exception cref="CheckpointMismatchException">The weights do not match the configuration.</exception>
    public static Seq2SeqLM FromPretrained(string nameOrPath, LoadOptions? options = null)
    {
        options ??= new();
        var source = ModelSource.Resolve(nameOrPath, options);
        return OpenWithDefaults(source, options, (config, spec, choices) => new Seq2SeqLM(config, spec with { TiedHead = spec.TiedHead && !HasOwnHead(config, spec, source.Folder) }, choices));
    }

    // Newer configurations declare T5 1.1 and mT5 as tied although their heads are not. The checkpoint decides.
    private static bool HasOwnHead(ModelConfig config, TransformerSpec spec, string folder)
    {
        using var files = ShardedCheckpoint.Open(folder);
        var (head, embedding) = (spec.Names.Head + ".weight", $"{spec.StackPath}.{spec.Names.Embedding}.weight".TrimStart('.'));
        if (!files.Tensors.ContainsKey(head)) return false;
        if (config.Has("scale_decoder_outputs") || !files.Tensors.ContainsKey(embedding)) return true;
        using var scope = NewDisposeScope();
        var (own, shared) = (files.Read(head), files.Read(embedding));
        return !own.shape.SequenceEqual(shared.shape) || own.ne(shared).any().item<bool>();
    }

    /// <summary>Creates a model with random weights.</summary>
    /// <param name="config">The model's configuration.</param>
    /// <param name="seed">Seed of the random weights.</param>
    /// <param name="options">Dtype, device and other options.</param>
    public static Seq2SeqLM FromConfig(ModelConfig config, long seed = 0, LoadOptions? options = null)
        => Fresh(config, seed, options, (made, spec, choices) => new Seq2SeqLM(made, spec, choices));

    /// <inheritdoc/>
    public override string? TaskType => "SEQ_2_SEQ_LM";

    internal override bool ExtendsPrompt => false;

    /// <summary>The token that the decoder's input starts with.</summary>
    /// <exception cref="ModelFolderException">The configuration has no start token.</exception>
    public int StartTokenId => Config.Whole("decoder_start_token_id") ?? GenerationDefaults?.Whole("decoder_start_token_id")
        ?? throw new ModelFolderException($"{Config.Source} has no decoder_start_token_id, which generation and training need.");

    /// <summary>The encoder's output <c>[batch, source, hidden]</c>, for <see cref="ModelInput.EncoderOutput"/>.</summary>
    public Tensor Encode(ModelInput input)
    {
        ArgumentNullException.ThrowIfNull(input);
        using var prompted = PromptedInput.Of(this, input);
        return ((EncoderDecoder)Backbone).Encode(prompted.Input);
    }

    /// <summary>The decoder's input for labels <c>[batch, target]</c>: the start token (in mBART the last label, a language code), then all labels but the last. Ignored labels become padding.</summary>
    public Tensor ShiftRight(Tensor labels)
    {
        TensorRules.RequireIds(labels, nameof(labels));
        RequireAlive();
        using var scope = NewDisposeScope();
        if (Spec.StartsWithLastLabel) return StartWithLast(labels, Config).MoveToOuterDisposeScope();
        var start = full(labels.size(0), 1, Constant(StartTokenId), labels.dtype, labels.device);
        var shifted = cat([start, labels.narrow(1, 0, labels.size(1) - 1)], 1);
        return shifted.masked_fill(shifted.eq(Constant(Batch.IgnoredLabel)), Constant(Config.PadTokenId ?? 0)).MoveToOuterDisposeScope();
    }

    /// <summary>The last real token of each row, then all tokens but the last. Ignored labels become padding.</summary>
    internal static Tensor StartWithLast(Tensor labels, ModelConfig config)
    {
        var padding = Constant(config.PadTokenId ?? throw new ModelFolderException($"{config.Source} has no pad_token_id, which tells the last label of a row."));
        var real = labels.masked_fill(labels.eq(Constant(Batch.IgnoredLabel)), padding);
        var last = real.ne(padding).sum(1, keepdim: true).sub(Constant(1)).clamp_min(Constant(0));
        return cat([real.gather(1, last), real.narrow(1, 0, labels.size(1) - 1)], 1);
    }

    /// <inheritdoc/>
    /// <returns>Logits <c>[batch, target, vocabulary]</c>.</returns>
    public override Tensor forward(ModelInput input)
    {
        ArgumentNullException.ThrowIfNull(input);
        using var prompted = PromptedInput.Of(this, input);
        using var hidden = Backbone.call(prompted.Input);
        return Logits(hidden);
    }

    /// <inheritdoc/>
    /// <remarks>
    /// Mean cross-entropy over the labels <c>[batch, target]</c> that are not <see cref="Batch.IgnoredLabel"/>; 0 if there are none. The decoder's
    /// input defaults to <see cref="ShiftRight"/> of the labels.
    /// </remarks>
    public override Tensor Loss(ModelInput input, Tensor labels)
    {
        ArgumentNullException.ThrowIfNull(input);
        TensorRules.RequireAlive(labels, nameof(labels));
        if (labels.dim() != 2) throw new ArgumentException($"The labels are {TensorRules.Describe(labels)}, but must be [batch, target].", nameof(labels));
        using var shifted = input.DecoderInputIds is null && input.DecoderEmbeddings is null ? ShiftRight(labels) : null;
        using var prompted = PromptedInput.Of(this, shifted is null ? input : input with { DecoderInputIds = shifted });
        using var hidden = Backbone.call(prompted.Input);
        using var targets = prompted.Labels(labels);
        return Objective.SameToken(hidden, targets, Scale);
    }

    internal override Continuation Continue(IReadOnlyList<IReadOnlyList<int>> prompts, int padding)
    {
        var width = prompts.Max(prompt => prompt.Count);
        var ids = prompts.SelectMany(prompt => prompt.Concat(Enumerable.Repeat(padding, width - prompt.Count)).Select(id => (long)id)).ToArray();
        var real = prompts.SelectMany(prompt => Enumerable.Range(0, width).Select(i => i < prompt.Count ? 1L : 0)).ToArray();
        using var source = tensor(ids, [prompts.Count, width], device: Device);
        var mask = tensor(real, [prompts.Count, width], device: Device).DetachFromDisposeScope();
        using var inference = inference_mode();
        var states = Encode(new ModelInput { InputIds = source, AttentionMask = mask }).DetachFromDisposeScope();
        return new(
            [.. prompts.Select(_ => (IReadOnlyList<int>)[StartTokenId])],
            (input, held) =>
            {
                using var prompted = PromptedInput.Of(this, new ModelInput
                {
                    DecoderInputIds = input.InputIds, DecoderAttentionMask = input.AttentionMask, Cache = input.Cache, EncoderOutput = held[0], AttentionMask = held[1],
                });
                using var hidden = Backbone.call(prompted.Input);
                using var last = hidden.narrow(1, -1, 1);
                return Logits(last);
            },
            states, mask);
    }
}
