namespace Peft.Tokenizers;

/// <summary>Splits text into the pieces that the model tokenizes separately.</summary>
internal interface IPreTokenizer
{
    /// <summary>Splits the current pieces.</summary>
    void PreTokenize(PreTokenizedText text);
}
