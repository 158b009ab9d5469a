namespace Peft.Models.Jinja;

/// <summary>What a token is.</summary>
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

/// <summary>A piece of a template.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Text">Its text; a string's value.</param>
/// <param name="Line">The template's line where it begins, from 1.</param>
/// <param name="Number">A number's value.</param>
internal readonly record struct Token(TokenKind Kind, string Text, int Line, object? Number = null)
{
    public bool IsName(string name) => Kind == TokenKind.Name && Text == name;

    public bool IsOperator(string text) => Kind == TokenKind.Operator && Text == text;

    public override string ToString() => Kind switch
    {
        TokenKind.End => "the end of the template",
        TokenKind.BlockEnd => "the end of the tag, '%}'",
        TokenKind.PrintEnd => "the end of the expression, '}}'",
        TokenKind.Text => "text",
        _ => $"'{Text}'",
    };
}
