namespace Peft;

/// <summary>What datasets and generation need of a tokenizer.</summary>
public interface ITokenizer
{
    /// <summary>Token ids of a text.</summary>
    /// <param name="text">The text.</param>
    /// <param name="addSpecialTokens">Whether to add what the model's template adds, such as a leading begin-of-sequence token.</param>
    IReadOnlyList<int> Encode(string text, bool addSpecialTokens = true);

    /// <summary>The text of token ids.</summary>
    string Decode(IEnumerable<int> ids, bool skipSpecialTokens = true);

    /// <summary>Id of the begin-of-sequence token, if there is one.</summary>
    int? BeginOfSequenceId { get; }

    /// <summary>Id of the end-of-sequence token, if there is one.</summary>
    int? EndOfSequenceId { get; }

    /// <summary>Id of the padding token, if there is one.</summary>
    int? PadId { get; }
}
