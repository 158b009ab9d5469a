using static TorchSharp.torch;

namespace Peft;

/// <summary>Additional tokens in the attention of one layer, with a separate softmax and a gate (Zhang et al. 2023, arXiv:2303.16199).</summary>
/// <param name="Layer">Index of the layer.</param>
/// <param name="Tokens">Hidden states <c>[1, length, hidden]</c>, which the layer projects to keys and values.</param>
/// <param name="Gate">Factor of the attention output over these tokens, <c>[1]</c>, or <c>[batch, 1, 1, 1]</c> for one per row.</param>
public sealed record AttentionPrompt(int Layer, Tensor Tokens, Tensor Gate)
{
    /// <summary>1 for rows with these tokens and 0 for other rows, <c>[batch, 1, 1, 1]</c>; null if all rows have them.</summary>
    public Tensor? Rows { get; init; }
}
