namespace Peft.Models;

/// <summary>Turns tokens back into text.</summary>
internal interface IDecoder
{
    /// <summary>One step: the texts whose concatenation, after the last step, is the result.</summary>
    /// <param name="tokens">The texts of the step before, at first the tokens.</param>
    /// <param name="budget">What all steps may cost.</param>
    List<string> Decode(List<string> tokens, TextBudget budget);
}
