namespace Peft.Models;

/// <summary>The rows whose next tokens are to be chosen, for logits processors.</summary>
public sealed class LogitsContext
{
    internal LogitsContext(IReadOnlyList<IReadOnlyList<int>> prompts, IReadOnlyList<IReadOnlyList<int>> tokens, int added)
        => (Prompts, Tokens, Added) = (prompts, tokens, added);

    /// <summary>The prompt of each row, without padding; for an encoder-decoder model the encoder's input.</summary>
    public IReadOnlyList<IReadOnlyList<int>> Prompts { get; }

    /// <summary>The sequence of each row, without padding: the prompt (for an encoder-decoder model the start token) and the new tokens.</summary>
    public IReadOnlyList<IReadOnlyList<int>> Tokens { get; }

    /// <summary>Number of new tokens of each row that has not ended.</summary>
    public int Added { get; }
}
