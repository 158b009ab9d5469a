namespace Peft.Tokenizers.Jinja;

/// <summary>Parses statements.</summary>
internal sealed class StatementParser
{
    private readonly TokenStream stream;
    private readonly ExpressionParser expressions;
    private readonly TargetParser targets;
    private int loops;

    private StatementParser(TokenStream stream)
    {
        this.stream = stream;
        expressions = new(stream);
        targets = new(stream, expressions);
    }

    /// <summary>True if the template has a generation block.</summary>
    public bool HasGeneration { get; private set; }

    /// <summary>The names that occur in expressions.</summary>
    public IReadOnlySet<string> Names => expressions.Operands.SeenNames;

    public static (Block Body, StatementParser Parser) Parse(string template, ResourceLimits limits)
    {
        var parser = new StatementParser(new TokenStream(TemplateLexer.Read(template), limits));
        return (parser.ParseUntil(), parser);
    }

    // Stops after "{%", before one of the keywords.
    private Block ParseUntil(params ReadOnlySpan<string> ends)
    {
        stream.Enter("Blocks");
        var statements = new List<Statement>();
        while (true)
        {
            var token = stream.Next();
            switch (token.Kind)
            {
                case TokenKind.Text:
                    statements.Add(new TextStatement(token.Line, token.Text));
                    break;
                case TokenKind.PrintBegin:
                    statements.Add(new PrintStatement(token.Line, expressions.ParseTuple()));
                    stream.Expect(TokenKind.PrintEnd, "'}}'");
                    break;
                case TokenKind.BlockBegin when stream.Current.Kind == TokenKind.Name && ends.Contains(stream.Current.Text):
                    stream.Leave();
                    return new(statements);
                case TokenKind.BlockBegin:
                    statements.Add(ParseStatement());
                    stream.Expect(TokenKind.BlockEnd, "'%}'");
                    break;
                case TokenKind.End when ends.IsEmpty:
                    return new(statements);
                default:
                    throw new ChatTemplateException($"The template ends, but '{string.Join("' or '", ends)}' is missing.", token.Line);
            }
        }
    }

    private Block ParseBody(params ReadOnlySpan<string> ends)
    {
        stream.SkipOperator(":");
        stream.Expect(TokenKind.BlockEnd, "'%}'");
        return ParseUntil(ends);
    }

    private Block ParseWhole(string end)
    {
        var body = ParseBody(end);
        stream.Next();
        return body;
    }

    // Break and continue cannot leave a called or captured block.
    private Block ParseApart(string end)
    {
        var outer = loops;
        loops = 0;
        var body = ParseWhole(end);
        loops = outer;
        return body;
    }

    private Statement ParseStatement()
    {
        var token = stream.Expect(TokenKind.Name, "the name of a tag");
        return token.Text switch
        {
            "if" => ParseIf(token.Line),
            "for" => ParseFor(token.Line),
            "set" => ParseSet(token.Line),
            "macro" => ParseMacro(token.Line),
            "call" => ParseCall(token.Line),
            "filter" => new FilterStatement(token.Line, expressions.ParseFilters(startsInline: true), ParseWhole("endfilter")),
            "with" => ParseWith(token.Line),
            "generation" => ParseGeneration(token.Line),
            "break" => new LeaveStatement(token.Line, InLoop(token, Flow.Break)),
            "continue" => new LeaveStatement(token.Line, InLoop(token, Flow.Continue)),
            "print" => new PrintStatement(token.Line, expressions.ParseTuple()),
            "include" or "import" or "from" or "extends" or "block" => throw new ChatTemplateException($"'{token.Text}' refers to other templates, which chat templates do not support.", token.Line),
            var name => throw new ChatTemplateException($"Unknown tag '{name}'.", token.Line),
        };
    }

    private Flow InLoop(Token token, Flow flow) => loops > 0 ? flow : throw new ChatTemplateException($"'{token.Text}' is outside a loop.", token.Line);

    private IfStatement ParseIf(int line)
    {
        var branches = new List<(Expression, Block)>();
        while (true)
        {
            var condition = expressions.ParseTuple(conditional: false);
            branches.Add((condition, ParseBody("elif", "else", "endif")));
            var next = stream.Next().Text;
            if (next == "elif") continue;
            return new(line, branches, next == "else" ? ParseWhole("endif") : null);
        }
    }

    private ForStatement ParseFor(int line)
    {
        var target = targets.Parse(endName: "in");
        stream.ExpectName("in");
        var items = expressions.ParseTuple(conditional: false, endName: "recursive");
        var condition = stream.SkipName("if") ? expressions.Parse() : null;
        var recursive = stream.SkipName("recursive");
        loops++;
        var body = ParseBody("endfor", "else");
        loops--;
        var otherwise = stream.Next().Text == "else" ? ParseWhole("endfor") : null;
        return new(line) { Target = target, Items = items, Condition = condition, Body = body, Else = otherwise, Recursive = recursive };
    }

    private Statement ParseSet(int line)
    {
        var target = targets.Parse(attributes: true);
        if (stream.SkipOperator("=")) return new SetStatement(line, target, expressions.ParseTuple());
        var filters = expressions.ParseFilters(startsInline: false);
        return new SetBlockStatement(line, target, filters, ParseWhole("endset"));
    }

    private MacroStatement ParseMacro(int line)
    {
        var name = stream.Expect(TokenKind.Name, "the name of the macro").Text;
        return new(line, name, ParseDefinition(name, "endmacro"));
    }

    private CallStatement ParseCall(int line)
    {
        var outer = BeginNames();
        var parameters = stream.Current.IsOperator("(") ? targets.ParseParameters() : [];
        var call = expressions.Parse() as CallExpression ?? throw new ChatTemplateException("Expected a call.", line);
        return new(line, call, EndDefinition("caller", parameters, ParseApart("endcall"), outer));
    }

    private MacroDefinition ParseDefinition(string name, string end)
    {
        var outer = BeginNames();
        return EndDefinition(name, targets.ParseParameters(), ParseApart(end), outer);
    }

    private HashSet<string> BeginNames()
    {
        var outer = expressions.Operands.SeenNames;
        expressions.Operands.SeenNames = [];
        return outer;
    }

    private MacroDefinition EndDefinition(string name, IReadOnlyList<(string, Expression?)> parameters, Block body, HashSet<string> outer)
    {
        var seen = expressions.Operands.SeenNames;
        outer.UnionWith(seen);
        expressions.Operands.SeenNames = outer;
        return new(name, parameters, body, TakesMore: seen.Contains("varargs"), TakesMoreNamed: seen.Contains("kwargs"), TakesCaller: seen.Contains("caller"));
    }

    private WithStatement ParseWith(int line)
    {
        var values = new List<(Target, Expression)>();
        while (stream.Current.Kind != TokenKind.BlockEnd)
        {
            if (values.Count > 0) stream.ExpectOperator(",");
            var target = targets.Parse();
            stream.ExpectOperator("=");
            values.Add((target, expressions.Parse()));
        }
        return new(line, values, ParseWhole("endwith"));
    }

    private GenerationStatement ParseGeneration(int line)
    {
        HasGeneration = true;
        return new(line, ParseApart("endgeneration"));
    }
}
