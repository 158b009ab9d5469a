using Peft.Modules;
using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>A transformer with a task head. A checkpoint of the bare model lacks the head; fine-tuning trains it.</summary>
public abstract class HeadedModel : PretrainedModel
{
    private readonly bool replaces;

    private protected HeadedModel(ModelConfig config, TransformerSpec spec, HeadSpec head, long outputs, LoadOptions options, string? path = null) : base(config, spec, options.Placement, path: path)
    {
        HeadParts = new TaskHead(this, head, spec, outputs, options.Placement);
        replaces = options.NamesLabels;
    }

    private protected TaskHead HeadParts { get; }

    /// <summary>The last module of the head: projects hidden states to scores.</summary>
    public AdaptableModule Head => HeadParts.Output;

    internal override AdaptableModule? HeadModule => HeadParts.Output;

    internal override bool MayInitialize(string name) => HeadParts.Owns(name);

    internal override bool MayReplace(string name) => replaces && HeadParts.IsOutput(name);

    /// <summary>The head's output at every position, padding included.</summary>
    private protected Tensor LogitsOf(ModelInput input)
    {
        ArgumentNullException.ThrowIfNull(input);
        using var prompted = PromptedInput.Of(this, input);
        using var hidden = Backbone.call(prompted.Input);
        return HeadParts.Run(hidden);
    }

    /// <summary>The loss without the output.</summary>
    private protected Tensor LossAlone(ModelInput input, Tensor labels)
    {
        var (loss, output) = LossAndOutput(input, labels);
        output.Dispose();
        return loss;
    }
}
