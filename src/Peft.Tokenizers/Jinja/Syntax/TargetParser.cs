namespace Peft.Tokenizers.Jinja;

/// <summary>Parses targets of assignments, and the parameters of macros.</summary>
internal sealed class TargetParser(TokenStream stream, ExpressionParser expressions)
{
    /// <param name="attributes">True if an attribute of a namespace is allowed.</param>
    /// <param name="endName">The keyword that ends the target.</param>
    public Target Parse(bool attributes = false, string? endName = null)
    {
        var targets = new List<Target>();
        var isTuple = false;
        while (true)
        {
            if (targets.Count > 0 && (stream.Current.Kind is TokenKind.BlockEnd || stream.Current.IsOperator(")") || (endName is not null && stream.Current.IsName(endName)))) break;
            targets.Add(ParseOne(attributes));
            if (!stream.SkipOperator(",")) break;
            isTuple = true;
        }
        return isTuple ? new TupleTarget(targets) : targets[0];
    }

    private Target ParseOne(bool attributes)
    {
        var line = stream.Line;
        if (stream.SkipOperator("("))
        {
            stream.Enter("Targets of assignments");
            var inner = Parse(attributes);
            stream.Leave();
            stream.ExpectOperator(")");
            return inner;
        }
        var name = stream.Expect(TokenKind.Name, "a name to assign to").Text;
        if (name is "true" or "True" or "false" or "False" or "none" or "None") throw new ChatTemplateException($"'{name}' cannot be assigned to.", line);
        if (!attributes || !stream.SkipOperator(".")) return new NameTarget(name);
        return new AttributeTarget(name, stream.Expect(TokenKind.Name, "the name of an attribute").Text);
    }

    public List<(string Name, Expression? Default)> ParseParameters()
    {
        var parameters = new List<(string, Expression?)>();
        stream.ExpectOperator("(");
        while (!stream.Current.IsOperator(")"))
        {
            if (parameters.Count > 0) stream.ExpectOperator(",");
            var name = stream.Expect(TokenKind.Name, "the name of a parameter");
            var value = stream.SkipOperator("=") ? expressions.Parse() : null;
            if (value is null && parameters is [.., (_, not null)])
                throw new ChatTemplateException($"Parameter '{name.Text}' requires a default, because the preceding one has one.", name.Line);
            parameters.Add((name.Text, value));
        }
        stream.ExpectOperator(")");
        return parameters;
    }
}
