namespace Peft.Models;

/// <summary>Puts what the model expects around one sequence or two.</summary>
internal interface IPostProcessor
{
    /// <summary>How many tokens are added.</summary>
    int AddedTokens(bool isPair);

    /// <summary>Turns the sequences, one or two, into the parts of the result in order.</summary>
    List<List<TokenEntry>> Process(List<List<TokenEntry>> sequences, bool addSpecialTokens, TextBudget budget);
}
