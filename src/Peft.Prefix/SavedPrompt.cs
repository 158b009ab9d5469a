namespace Peft.Prefix;

/// <summary>Saves virtual tokens that a network computes as in Hugging Face PEFT's files: the output without the network.</summary>
internal static class SavedPrompt
{
    /// <param name="make">Computes the virtual tokens, <c>[tokens, size]</c>.</param>
    public static IReadOnlyDictionary<string, Tensor> Of(Func<Tensor> make)
    {
        using var _ = no_grad();
        return new Dictionary<string, Tensor> { ["prompt_embeddings"] = make() };
    }
}
