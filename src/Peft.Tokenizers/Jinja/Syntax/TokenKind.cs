namespace Peft.Tokenizers.Jinja;

/// <summary>Types of tokens.</summary>
internal enum TokenKind
{
    Text,
    PrintBegin,
    PrintEnd,
    BlockBegin,
    BlockEnd,
    Name,
    String,
    Number,
    Operator,
    End,
}
