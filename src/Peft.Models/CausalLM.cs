using Peft.Modules;
using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>A language model that predicts the next token: logits <c>[batch, sequence, vocabulary]</c>.</summary>
public sealed class CausalLM : PretrainedModel
{
    private readonly AdaptableModule head;
    private readonly CausalLoss loss;

    private CausalLM(ModelConfig config, DecoderSpec spec, Placement at) : base(config, spec, at)
    {
        head = new Linear(spec.HiddenSize, spec.VocabularySize, bias: false, at.Type, at.Device);
        register_module(spec.Names.Head, head);
        if (spec.TiedHead)
        {
            head.TieWeight(InputEmbeddings);
            TiedParameters = new HashSet<string> { spec.Names.Head + ".weight" };
        }
        loss = new CausalLoss(head, spec.LogitSoftCap);
    }

    /// <summary>Loads a model in Hugging Face's layout: <c>config.json</c> and safetensors.</summary>
    /// <param name="nameOrPath">A folder, or the id of a model on the hub. A folder of that name wins.</param>
    /// <param name="options">Type, device and further choices.</param>
    /// <exception cref="HubException">The model could not be downloaded.</exception>
    /// <exception cref="ModelFolderException">A file is missing or cannot be read.</exception>
    /// <exception cref="UnsupportedModelException">The configuration asks for something that is not implemented.</exception>
    /// <exception cref="CheckpointMismatchException">The weights do not fit the configuration.</exception>
    public static CausalLM FromPretrained(string nameOrPath, LoadOptions? options = null)
    {
        options ??= new();
        var source = ModelSource.Resolve(nameOrPath, options);
        var config = ModelConfig.FromFolder(source.Folder);
        var spec = (options.Registry ?? new()).Describe(config);
        var model = new CausalLM(config, spec, options.Placement);
        var defaults = Path.Combine(source.Folder, "generation_config.json");
        if (File.Exists(defaults)) model.GenerationDefaults = ModelConfig.Parse(File.ReadAllText(defaults), defaults);
        return Load(model, source, options);
    }

    /// <summary>A model with random weights.</summary>
    /// <param name="config">Its configuration.</param>
    /// <param name="seed">Seed of the weights.</param>
    /// <param name="options">Type, device and further choices.</param>
    public static CausalLM FromConfig(ModelConfig config, long seed = 0, LoadOptions? options = null)
    {
        options ??= new();
        var model = new CausalLM(config, (options.Registry ?? new()).Describe(config), options.Placement);
        WeightInitializer.Fill(model, seed);
        model.eval();
        return model;
    }

    /// <inheritdoc/>
    public override string TaskType => "CAUSAL_LM";

    internal override AdaptableModule HeadModule => head;

    /// <summary>The head: hidden states to logits.</summary>
    public AdaptableModule Head => head;

    /// <inheritdoc/>
    /// <returns>Logits <c>[batch, sequence, vocabulary]</c>.</returns>
    public override Tensor forward(ModelInput input)
    {
        using var hidden = Decoder.call(input);
        return Logits(hidden);
    }

    /// <summary>The logits of the last position only, <c>[batch, 1, vocabulary]</c>.</summary>
    public Tensor ForwardLast(ModelInput input)
    {
        using var hidden = Decoder.call(input);
        using var last = hidden.narrow(1, -1, 1);
        return Logits(last);
    }

    private Tensor Logits(Tensor hidden)
    {
        var logits = head.call(hidden);
        if (Spec.LogitSoftCap is not { } cap) return logits;
        using var raw = logits;
        return CausalLoss.Cap(raw, cap);
    }

    /// <inheritdoc/>
    /// <remarks>
    /// Mean cross-entropy of the next token, over the labels that are not <see cref="Batch.IgnoredLabel"/>. Logits are computed for those
    /// positions only, and never all at once where the head is frozen. 0 if there are none.
    /// </remarks>
    public override Tensor Loss(ModelInput input, Tensor labels)
    {
        ArgumentNullException.ThrowIfNull(input);
        ArgumentNullException.ThrowIfNull(labels);
        using var hidden = Decoder.call(input.AttentionMask is { } mask && PadsOnTheRight(mask) ? input with { AttentionMask = null } : input);
        return loss.Run(hidden, labels, input.PackedLengths);
    }

    // What stands after the last real token cannot be seen from it: without a mask attention runs faster, and labels there are ignored.
    private bool PadsOnTheRight(Tensor mask)
    {
        if (Spec.PositionsFromMask || PeftModel.Of(this)?.MixesPositions == true) return false;
        var width = mask.shape[1];
        if (width < 2) return false;
        using var before = mask.narrow(1, 0, width - 1);
        using var after = mask.narrow(1, 1, width - 1);
        using var rising = before.lt(after);
        using var any = rising.any();
        return !any.item<bool>();
    }
}
