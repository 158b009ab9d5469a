namespace Peft.Tokenizers;

/// <summary>Converts tokens back to text.</summary>
internal interface IDecoder
{
    /// <summary>Performs a decoding step. The concatenated strings of the last step are the decoded text.</summary>
    /// <param name="tokens">The strings of the previous step; the tokens for the first step.</param>
    /// <param name="budget">The budget that all steps share.</param>
    List<string> Decode(List<string> tokens, TextBudget budget);
}
