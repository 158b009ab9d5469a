namespace Peft.Tokenizers;

/// <summary>Converts tokens back to text.</summary>
internal interface IDecoder
{
    /// <summary>A decoding step. The concatenation of the last step's strings is the result.</summary>
    /// <param name="tokens">The strings of the previous step; for the first step the tokens.</param>
    /// <param name="budget">The budget of all steps.</param>
    List<string> Decode(List<string> tokens, TextBudget budget);
}
