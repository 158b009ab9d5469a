namespace Peft.Tokenizers.Jinja;

/// <summary>Parses expressions with Jinja's precedences: conditional, or, and, not, comparison, + -, ~, * / // %, **, sign, then filters and tests.</summary>
internal sealed class ExpressionParser
{
    private readonly TokenStream stream;

    public ExpressionParser(TokenStream stream)
    {
        this.stream = stream;
        Operands = new(stream, this);
    }

    public OperandParser Operands { get; }

    public Expression Parse(bool conditional = true)
    {
        stream.Enter("Expressions");
        var expression = conditional ? ParseConditional() : ParseOr();
        stream.Leave();
        return expression;
    }

    /// <summary>Parses an expression, or a tuple of several separated by commas.</summary>
    public Expression ParseTuple(bool conditional = true, string? endName = null, bool inParentheses = false)
    {
        var line = stream.Line;
        var items = new List<Expression>();
        var isTuple = false;
        while (true)
        {
            if (items.Count > 0) stream.ExpectOperator(",");
            if (stream.Current.Kind is TokenKind.PrintEnd or TokenKind.BlockEnd || stream.Current.IsOperator(")") || (endName is not null && stream.Current.IsName(endName))) break;
            items.Add(Parse(conditional));
            if (!stream.Current.IsOperator(",")) break;
            isTuple = true;
        }
        if (isTuple) return new TupleExpression(line, items);
        if (items.Count > 0) return items[0];
        return inParentheses ? new TupleExpression(line, items) : throw stream.Unexpected("an expression");
    }

    /// <summary>Parses the filters of a filter block or a set block, after the keyword or the bar.</summary>
    public List<FilterCall> ParseFilters(bool startsInline)
    {
        var filters = new List<FilterCall>();
        while (startsInline || stream.SkipOperator("|"))
        {
            startsInline = false;
            filters.Add(Operands.ParseFilter());
        }
        return filters;
    }

    private Expression ParseConditional()
    {
        var line = stream.Line;
        var value = ParseOr();
        while (stream.SkipName("if"))
        {
            var condition = ParseOr();
            // Right-associative, with a recursion depth of the number of branches.
            var otherwise = stream.SkipName("else") ? Parse() : null;
            value = new ConditionalExpression(line, condition, value, otherwise);
            line = stream.Line;
        }
        return value;
    }

    private Expression ParseOr()
    {
        var left = ParseAnd();
        while (stream.Current.IsName("or")) left = new LogicalExpression(stream.Next().Line, left, ParseAnd(), isOr: true);
        return left;
    }

    private Expression ParseAnd()
    {
        var left = ParseNot();
        while (stream.Current.IsName("and")) left = new LogicalExpression(stream.Next().Line, left, ParseNot(), isOr: false);
        return left;
    }

    private Expression ParseNot()
    {
        var negations = 0;
        var line = stream.Line;
        while (stream.SkipName("not")) negations++;
        var value = ParseComparison();
        return negations == 0 ? value : new NotExpression(line, negations % 2 == 1 ? value : new NotExpression(line, value));
    }

    private Expression ParseComparison()
    {
        var line = stream.Line;
        var first = ParseSum();
        var rest = new List<(string, Expression)>();
        while (true)
        {
            var token = stream.Current;
            if (token.Kind == TokenKind.Operator && token.Text is "==" or "!=" or "<" or "<=" or ">" or ">=")
            {
                stream.Next();
                rest.Add((token.Text, ParseSum()));
            }
            else if (stream.SkipName("in"))
            {
                rest.Add(("in", ParseSum()));
            }
            else if (token.IsName("not") && stream.Following.IsName("in"))
            {
                stream.Next();
                stream.Next();
                rest.Add(("not in", ParseSum()));
            }
            else
            {
                return rest.Count == 0 ? first : new ComparisonExpression(line, first, rest);
            }
        }
    }

    private Expression ParseSum() => ParseBinary(ParseConcatenation, "+", "-");

    private Expression ParseConcatenation()
    {
        var line = stream.Line;
        List<Expression> parts = [ParseProduct()];
        while (stream.SkipOperator("~")) parts.Add(ParseProduct());
        return parts.Count == 1 ? parts[0] : new ConcatenationExpression(line, parts);
    }

    private Expression ParseProduct() => ParseBinary(ParsePower, "*", "/", "//", "%");

    // Left-associative, unlike in Python: 2 ** 3 ** 2 is 64.
    private Expression ParsePower() => ParseBinary(() => ParseSign(), "**");

    private Expression ParseBinary(Func<Expression> operand, params ReadOnlySpan<string> operators)
    {
        var left = operand();
        while (stream.Current.Kind == TokenKind.Operator && operators.Contains(stream.Current.Text))
        {
            var token = stream.Next();
            left = new BinaryExpression(token.Line, token.Text, left, operand());
        }
        return left;
    }

    private Expression ParseSign(bool filters = true)
    {
        var token = stream.Current;
        Expression value;
        if (token.IsOperator("-") || token.IsOperator("+"))
        {
            stream.Enter("Signs");
            stream.Next();
            value = new SignExpression(token.Line, ParseSign(false), token.Text == "-");
            stream.Leave();
        }
        else
        {
            value = Operands.ParsePrimary();
        }
        value = Operands.ParsePostfix(value);
        return filters ? Operands.ParseFiltersAndTests(value) : value;
    }
}
