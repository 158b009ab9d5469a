using static TorchSharp.torch;

namespace Peft;

/// <summary>
/// A pretrained transformer that prepends the virtual tokens of <see cref="PeftModel.Prompts"/> to its input in each forward pass. Prompt methods require such a
/// model.
/// </summary>
public interface IPromptedModel : IPretrainedModel
{
    /// <summary>The required sizes of virtual tokens.</summary>
    PromptShape PromptShape { get; }

    /// <summary>Computes the keys and values of each layer for a text, without adapters: one pair per layer, <c>[1, key/value heads, sequence, head size]</c>.</summary>
    /// <param name="inputIds">Token ids of the text, <c>[1, sequence]</c>.</param>
    IReadOnlyList<KeyValuePrefix> KeysAndValues(Tensor inputIds);
}
