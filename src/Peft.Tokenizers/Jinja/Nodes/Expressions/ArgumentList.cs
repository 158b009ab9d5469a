namespace Peft.Tokenizers.Jinja;

/// <summary>The arguments of a call in the template's syntax.</summary>
internal sealed record ArgumentList(List<Expression> Positional, List<(string Name, Expression Value)> Named, Expression? More, Expression? MoreNamed)
{
    public static ArgumentList Empty { get; } = new([], [], null, null);

    public Arguments Evaluate(Frame frame)
    {
        if (this == Empty) return Arguments.None;
        var positional = Positional.ConvertAll(argument => argument.Evaluate(frame));
        var named = new Dictionary<string, object?>();
        foreach (var (name, value) in Named)
            if (!named.TryAdd(name, value.Evaluate(frame))) throw new ChatTemplateException($"The argument '{name}' is passed twice.");
        if (More is not null) positional.AddRange(frame.Run.Items(More.Evaluate(frame)));
        if (MoreNamed is not null)
        {
            if (MoreNamed.Evaluate(frame) is not PyDict dict) throw new ChatTemplateException("The argument after '**' must be a dict.");
            frame.Run.ChargeItems(dict.Count);
            foreach (var (key, value) in dict)
                if (key is not string name || !named.TryAdd(name, value)) throw new ChatTemplateException($"The argument '{key}' is passed twice, or is not a name.");
        }
        return new(positional, named);
    }
}
