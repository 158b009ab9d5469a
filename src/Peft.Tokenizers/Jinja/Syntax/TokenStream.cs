using System.Runtime.CompilerServices;

namespace Peft.Tokenizers.Jinja;

/// <summary>A sequence of tokens with the nesting depth of the parsers that read it.</summary>
internal sealed class TokenStream(List<Token> tokens, ResourceLimits limits)
{
    private int position;
    private int depth;

    public Token Current => tokens[position];

    public Token Following => tokens[Math.Min(position + 1, tokens.Count - 1)];

    public int Line => Current.Line;

    public Token Next()
    {
        var token = tokens[position];
        if (position < tokens.Count - 1) position++;
        return token;
    }

    public bool SkipOperator(string text) => Skip(Current.IsOperator(text));

    public bool SkipName(string name) => Skip(Current.IsName(name));

    public Token ExpectOperator(string text) => Current.IsOperator(text) ? Next() : throw Unexpected($"'{text}'");

    public Token ExpectName(string name) => Current.IsName(name) ? Next() : throw Unexpected($"'{name}'");

    public Token Expect(TokenKind kind, string what) => Current.Kind == kind ? Next() : throw Unexpected(what);

    /// <summary>Enters a nested construct. The parsers are recursive, so depth takes stack space.</summary>
    public void Enter(string what)
    {
        if (++depth > limits.MaxTemplateDepth || !RuntimeHelpers.TryEnsureSufficientExecutionStack())
            throw new ChatTemplateException($"{what} are nested too deeply. {limits.Remedy(nameof(ResourceLimits.MaxTemplateDepth), ChatTemplate.WhereLimitsAre)}", Line);
    }

    /// <summary>Leaves the construct that <see cref="Enter"/> entered.</summary>
    public void Leave() => depth--;

    public ChatTemplateException Unexpected(string expected) => new($"Expected {expected}, but found {Current}.", Line);

    private bool Skip(bool matches)
    {
        if (matches) Next();
        return matches;
    }
}
