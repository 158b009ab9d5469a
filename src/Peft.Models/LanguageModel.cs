using Peft.Hub;
using Peft.Modules;
using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>A model that generates text token by token: logits over its vocabulary.</summary>
public abstract class LanguageModel : PretrainedModel
{
    private protected LanguageModel(ModelConfig config, TransformerSpec spec, Placement at) : base(config, spec, at)
    {
        Head = new Linear(spec.HiddenSize, spec.VocabularySize, spec.HeadBias, at.Type, at.EmbeddingDevice);
        this.Place(spec.Names.Head, Head);
        if (spec.TiedHead)
        {
            Head.TieWeight(InputEmbeddings);
            TiedParameters = new HashSet<string> { spec.Names.Head + ".weight" };
        }
        Objective = new VocabularyLoss(Head, spec.LogitSoftCap);
    }

    private protected static T OpenWithDefaults<T>(ModelSource source, LoadOptions options, Func<ModelConfig, TransformerSpec, LoadOptions, T> create) where T : LanguageModel
    {
        var model = Open(source, options, create);
        var defaults = Path.Combine(source.Folder, "generation_config.json");
        if (SmallFile.Exists(defaults)) model.GenerationDefaults = ModelConfig.FromFile(defaults, options.Limits);
        return model;
    }

    /// <summary>The head: projects hidden states to logits.</summary>
    public AdaptableModule Head { get; }

    internal override AdaptableModule? HeadModule => Head;

    private protected VocabularyLoss Objective { get; }

    /// <summary>The values of the folder's <c>generation_config.json</c>; null if there is none.</summary>
    internal ModelConfig? GenerationDefaults { get; private set; }

    /// <summary>Prepares generation from prompts of token ids.</summary>
    /// <param name="prompts">The prompts, at least one token each.</param>
    /// <param name="padding">The id that pads shorter prompts.</param>
    internal abstract Continuation Continue(IReadOnlyList<IReadOnlyList<int>> prompts, int padding);

    /// <summary>True if generated tokens continue the prompt, so that both form one text.</summary>
    internal abstract bool ExtendsPrompt { get; }

    private protected Tensor Logits(Tensor hidden)
    {
        using var scaled = Scale(hidden);
        var logits = Head.call(scaled);
        if (Spec.LogitSoftCap is not { } cap) return logits;
        using var raw = logits;
        return VocabularyLoss.Cap(raw, cap);
    }

    /// <summary>The hidden states, scaled as the head expects them.</summary>
    private protected Tensor Scale(Tensor hidden) => Spec.HeadScale == 1 ? hidden.alias() : hidden.mul(Constant(Spec.HeadScale));
}
