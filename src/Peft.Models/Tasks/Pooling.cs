namespace Peft.Models;

/// <summary>The hidden state that represents a text.</summary>
public enum Pooling
{
    /// <summary>The state of the first token, BERT's <c>[CLS]</c>, which the classification head of an encoder reads, for BERT through its pooler.</summary>
    Cls,

    /// <summary>The mean over the real tokens, as sentence encoders are trained. BERT's pooler, which was trained for the first token, is skipped.</summary>
    Mean,

    /// <summary>The state of the last real token, which the classification head of a decoder reads.</summary>
    Last,
}
