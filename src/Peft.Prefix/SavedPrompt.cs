using static TorchSharp.torch;

namespace Peft.Prefix;

/// <summary>Virtual tokens that a network makes, as Hugging Face's files hold them: what it gave, without the network.</summary>
internal static class SavedPrompt
{
    /// <param name="make">Makes the virtual tokens, <c>[tokens, size]</c>.</param>
    public static IReadOnlyDictionary<string, Tensor> Of(Func<Tensor> make)
    {
        using var _ = no_grad();
        return new Dictionary<string, Tensor> { ["prompt_embeddings"] = make() };
    }
}
