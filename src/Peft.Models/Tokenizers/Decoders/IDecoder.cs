namespace Peft.Models;

/// <summary>Turns tokens back into text.</summary>
internal interface IDecoder
{
    /// <summary>One step: the texts whose concatenation, after the last step, is the result.</summary>
    List<string> Decode(List<string> tokens);
}
