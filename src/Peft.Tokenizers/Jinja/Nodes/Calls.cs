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
            if (!named.TryAdd(name, value.Evaluate(frame))) throw new ChatTemplateException($"The argument '{name}' is given twice.");
        if (More is not null) positional.AddRange(frame.Run.Items(More.Evaluate(frame)));
        if (MoreNamed is not null)
        {
            if (MoreNamed.Evaluate(frame) is not PyDict dict) throw new ChatTemplateException("The argument after '**' must be a dict.");
            frame.Run.ChargeItems(dict.Count);
            foreach (var (key, value) in dict)
                if (key is not string name || !named.TryAdd(name, value)) throw new ChatTemplateException($"The argument '{key}' is given twice, or is not a name.");
        }
        return new(positional, named);
    }
}

internal sealed class CallExpression(int line, Expression function, ArgumentList arguments) : Expression(line)
{
    protected override object? Compute(Frame frame) => Call(frame, null);

    /// <summary>Calls with the block of a call statement, which the macro accesses as <c>caller</c>.</summary>
    public object? Call(Frame frame, Macro? caller)
    {
        var callee = function.Evaluate(frame);
        if (callee is Undefined undefined) throw undefined.Error();
        if (callee is not ICallable callable) throw new ChatTemplateException($"'{TypeName.Of(callee)}' object is not callable.");
        var values = arguments.Evaluate(frame);
        frame.Run.Step(Line);
        return callable.Call(frame, caller is null ? values : values.With("caller", caller));
    }
}

/// <summary>A filter with its arguments.</summary>
internal sealed record FilterCall(int Line, string Name, ArgumentList Arguments)
{
    public object? Apply(Frame frame, object? value)
    {
        frame.Run.Step(Line);
        return Filters.Apply(frame, Name, value, Arguments.Evaluate(frame));
    }
}

internal sealed class FilterExpression(int line, Expression value, FilterCall filter) : Expression(line)
{
    protected override object? Compute(Frame frame) => filter.Apply(frame, value.Evaluate(frame));
}

internal sealed class TestExpression(int line, Expression value, string name, ArgumentList arguments) : Expression(line)
{
    protected override object? Compute(Frame frame) => Tests.Holds(frame, name, value.Evaluate(frame), arguments.Evaluate(frame));
}
