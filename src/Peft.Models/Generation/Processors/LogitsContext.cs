namespace Peft.Models;

/// <summary>What a logits processor knows of the rows whose next tokens are to be chosen.</summary>
public sealed class LogitsContext
{
    internal LogitsContext(IReadOnlyList<IReadOnlyList<int>> prompts, IReadOnlyList<IReadOnlyList<int>> tokens, int added)
        => (Prompts, Tokens, Added) = (prompts, tokens, added);

    /// <summary>What each row's model read, without padding: of an encoder-decoder model the encoder's input.</summary>
    public IReadOnlyList<IReadOnlyList<int>> Prompts { get; }

    /// <summary>Each row's sequence, without padding: the prompt (of an encoder-decoder model the start token) and what was added.</summary>
    public IReadOnlyList<IReadOnlyList<int>> Tokens { get; }

    /// <summary>Tokens added to each row that has not ended.</summary>
    public int Added { get; }
}
