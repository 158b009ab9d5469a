using System.Text;

namespace Peft.Tokenizers.Jinja;

/// <summary>Parses operands: names, literals, and their suffixes (attributes, subscripts, calls, filters, tests).</summary>
internal sealed class OperandParser(TokenStream stream, ExpressionParser expressions)
{
    /// <summary>The names that have been parsed since this was last set.</summary>
    public HashSet<string> SeenNames { get; set; } = [];

    public Expression ParsePrimary()
    {
        var token = stream.Current;
        switch (token.Kind)
        {
            case TokenKind.Name:
                stream.Next();
                if (token.Text is not ("true" or "True" or "false" or "False" or "none" or "None")) SeenNames.Add(token.Text);
                return token.Text switch
                {
                    "true" or "True" => new ConstantExpression(token.Line, true),
                    "false" or "False" => new ConstantExpression(token.Line, false),
                    "none" or "None" => new ConstantExpression(token.Line, null),
                    var name => new NameExpression(token.Line, name),
                };
            case TokenKind.String:
                var text = new StringBuilder();
                while (stream.Current.Kind == TokenKind.String) text.Append(stream.Next().Text);
                return new ConstantExpression(token.Line, text.ToString());
            case TokenKind.Number:
                return new ConstantExpression(token.Line, stream.Next().Number);
        }
        if (stream.SkipOperator("("))
        {
            var value = expressions.ParseTuple(inParentheses: true);
            stream.ExpectOperator(")");
            return value;
        }
        if (stream.SkipOperator("[")) return new ListExpression(token.Line, ParseItems("]", () => expressions.Parse()));
        if (stream.SkipOperator("{")) return new DictExpression(token.Line, ParseItems("}", ParsePair));
        throw stream.Unexpected("an expression");
    }

    private (Expression, Expression) ParsePair()
    {
        var key = expressions.Parse();
        stream.ExpectOperator(":");
        return (key, expressions.Parse());
    }

    private List<T> ParseItems<T>(string end, Func<T> parse)
    {
        var items = new List<T>();
        while (!stream.Current.IsOperator(end))
        {
            if (items.Count > 0) stream.ExpectOperator(",");
            if (stream.Current.IsOperator(end)) break;
            items.Add(parse());
        }
        stream.ExpectOperator(end);
        return items;
    }

    public Expression ParsePostfix(Expression value)
    {
        while (true)
        {
            var line = stream.Line;
            if (stream.SkipOperator(".")) value = ParseAttribute(value, line);
            else if (stream.SkipOperator("[")) value = ParseSubscript(value, line);
            else if (stream.Current.IsOperator("(")) value = new CallExpression(line, value, ParseArguments());
            else return value;
        }
    }

    private Expression ParseAttribute(Expression value, int line)
    {
        if (stream.Current.Kind == TokenKind.Name) return new AttributeExpression(line, value, stream.Next().Text);
        if (stream.Current is { Kind: TokenKind.Number, Number: long index })
        {
            stream.Next();
            return new ItemExpression(line, value, new ConstantExpression(line, index));
        }
        throw stream.Unexpected("a name or a number after '.'");
    }

    private Expression ParseSubscript(Expression value, int line)
    {
        var keys = new List<Expression>();
        while (!stream.Current.IsOperator("]"))
        {
            if (keys.Count > 0) stream.ExpectOperator(",");
            if (!stream.Current.IsOperator(":"))
            {
                var key = expressions.Parse();
                if (!stream.Current.IsOperator(":"))
                {
                    keys.Add(key);
                    continue;
                }
                keys.Add(ParseSlice(value, key, line));
            }
            else
            {
                keys.Add(ParseSlice(value, null, line));
            }
        }
        if (keys.Count == 0) throw stream.Unexpected("an expression");
        stream.ExpectOperator("]");
        if (keys is [SliceExpression slice]) return slice;
        return new ItemExpression(line, value, keys.Count == 1 ? keys[0] : new TupleExpression(line, keys));
    }

    private SliceExpression ParseSlice(Expression value, Expression? start, int line)
    {
        stream.ExpectOperator(":");
        var stop = Bound();
        var step = stream.SkipOperator(":") ? Bound() : null;
        return new SliceExpression(line, value, start, stop, step);

        Expression? Bound() => stream.Current.IsOperator(":") || stream.Current.IsOperator("]") || stream.Current.IsOperator(",") ? null : expressions.Parse();
    }

    public Expression ParseFiltersAndTests(Expression value)
    {
        while (true)
        {
            var line = stream.Line;
            if (stream.SkipOperator("|")) value = new FilterExpression(line, value, ParseFilter());
            else if (stream.SkipName("is")) value = ParseTest(value, line);
            else if (stream.Current.IsOperator("(")) value = new CallExpression(line, value, ParseArguments());
            else return value;
        }
    }

    public FilterCall ParseFilter()
    {
        var line = stream.Line;
        return new(line, ParseDottedName(), stream.Current.IsOperator("(") ? ParseArguments() : ArgumentList.Empty);
    }

    private Expression ParseTest(Expression value, int line)
    {
        var negated = stream.SkipName("not");
        var name = ParseDottedName();
        var arguments = ArgumentList.Empty;
        if (stream.Current.IsOperator("("))
        {
            arguments = ParseArguments();
        }
        else if (BeginsOperand(stream.Current))
        {
            if (stream.Current.IsName("is")) throw new ChatTemplateException("Tests cannot be chained with 'is'.", stream.Line);
            arguments = new([ParsePostfix(ParsePrimary())], [], null, null);
        }
        Expression test = new TestExpression(line, value, name, arguments);
        return negated ? new NotExpression(line, test) : test;
    }

    private static bool BeginsOperand(Token token) => token.Kind switch
    {
        TokenKind.Name => token.Text is not ("else" or "or" or "and"),
        TokenKind.String or TokenKind.Number => true,
        TokenKind.Operator => token.Text is "[" or "{",
        _ => false,
    };

    private string ParseDottedName()
    {
        var parts = new List<string> { stream.Expect(TokenKind.Name, "a name").Text };
        while (stream.SkipOperator(".")) parts.Add(stream.Expect(TokenKind.Name, "a name").Text);
        return string.Join('.', parts);
    }

    public ArgumentList ParseArguments()
    {
        stream.ExpectOperator("(");
        var (positional, named) = (new List<Expression>(), new List<(string, Expression)>());
        Expression? more = null, moreNamed = null;
        var any = false;
        while (!stream.Current.IsOperator(")"))
        {
            if (any) stream.ExpectOperator(",");
            if (stream.Current.IsOperator(")")) break;
            any = true;
            if (stream.Current.IsOperator("*"))
            {
                Ensure(more is null && moreNamed is null);
                more = expressions.Parse();
            }
            else if (stream.Current.IsOperator("**"))
            {
                Ensure(moreNamed is null);
                moreNamed = expressions.Parse();
            }
            else if (stream.Current.Kind == TokenKind.Name && stream.Following.IsOperator("="))
            {
                if (moreNamed is not null) throw stream.Unexpected("')'");
                var name = stream.Next().Text;
                stream.Next();
                named.Add((name, expressions.Parse()));
            }
            else
            {
                if (more is not null || moreNamed is not null || named.Count > 0)
                    throw new ChatTemplateException("A positional argument cannot follow a keyword argument.", stream.Line);
                positional.Add(expressions.Parse());
            }
        }
        stream.ExpectOperator(")");
        return new(positional, named, more, moreNamed);

        void Ensure(bool allowed)
        {
            if (!allowed) throw stream.Unexpected("')'");
            stream.Next();
        }
    }
}
