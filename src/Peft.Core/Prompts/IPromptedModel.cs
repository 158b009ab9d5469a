using static TorchSharp.torch;

namespace Peft;

/// <summary>
/// A pretrained transformer that prepends virtual tokens to its input, as <see cref="PeftModel.Prompts"/> requires in each pass. Prompt methods need such a
/// model.
/// </summary>
public interface IPromptedModel : IPretrainedModel
{
    /// <summary>The sizes that virtual tokens must have.</summary>
    PromptShape PromptShape { get; }

    /// <summary>The keys and values that each layer computes for a text, without adapters: one pair per layer, <c>[1, key/value heads, sequence, head size]</c>.</summary>
    /// <param name="inputIds">Token ids of the text, <c>[1, sequence]</c>.</param>
    IReadOnlyList<KeyValuePrefix> KeysAndValues(Tensor inputIds);
}
