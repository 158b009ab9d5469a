namespace Peft.Tokenizers;

/// <summary>A token of a SentencePiece model.</summary>
internal readonly record struct SentencePiece(string Text, float Score, PieceKind Kind);
