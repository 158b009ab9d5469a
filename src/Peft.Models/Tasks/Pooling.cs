namespace Peft.Models;

/// <summary>The hidden state that represents a text.</summary>
public enum Pooling
{
    /// <summary>The state of the first token, such as <c>[CLS]</c>, which the classification head of an encoder reads; in BERT, through the pooler.</summary>
    Cls,

    /// <summary>The mean over the real tokens, as in sentence encoders. BERT's pooler, which was trained on the first token, is skipped.</summary>
    Mean,

    /// <summary>The state of the last real token, which the classification head of a decoder reads.</summary>
    Last,
}
