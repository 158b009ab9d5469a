namespace Peft.Tokenizers;

/// <summary>Adds special tokens to a single sequence or a pair.</summary>
internal interface IPostProcessor
{
    /// <summary>Number of tokens that are added.</summary>
    int AddedTokens(bool isPair);

    /// <summary>Converts a single sequence or a pair to the parts of the result in order.</summary>
    List<List<TokenEntry>> Process(List<List<TokenEntry>> sequences, bool addSpecialTokens, TextBudget budget);
}
