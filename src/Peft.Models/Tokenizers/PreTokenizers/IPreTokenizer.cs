namespace Peft.Models;

/// <summary>Cuts a text into the pieces that a model sees one by one.</summary>
internal interface IPreTokenizer
{
    /// <summary>Cuts the pieces further.</summary>
    void PreTokenize(PreTokenizedText text);
}
