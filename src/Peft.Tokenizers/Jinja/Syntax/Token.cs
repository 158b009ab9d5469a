namespace Peft.Tokenizers.Jinja;

/// <summary>A token of a template.</summary>
/// <param name="Kind">The type of token.</param>
/// <param name="Text">The text; for a string its value.</param>
/// <param name="Line">The line where the token begins, from 1.</param>
/// <param name="Number">The value of a number.</param>
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
