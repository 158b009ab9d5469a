namespace Peft.Tokenizers;

/// <summary>The types of tokens in a SentencePiece model.</summary>
internal enum PieceKind
{
    Normal = 1,
    Unknown = 2,
    Control = 3,
    UserDefined = 4,
    Unused = 5,
    Byte = 6,
}
