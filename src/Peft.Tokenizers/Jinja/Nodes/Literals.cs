namespace Peft.Tokenizers.Jinja;

internal sealed class ConstantExpression(int line, object? value) : Expression(line)
{
    protected override object? Compute(Frame frame) => value;
}

internal sealed class NameExpression(int line, string name) : Expression(line)
{
    protected override object? Compute(Frame frame) => frame.TryGet(name, out var value) ? value : new Undefined($"'{name}' is undefined");
}

internal sealed class TupleExpression(int line, List<Expression> items) : Expression(line)
{
    protected override object? Compute(Frame frame) => new PyTuple(items.ConvertAll(item => item.Evaluate(frame)));
}

internal sealed class ListExpression(int line, List<Expression> items) : Expression(line)
{
    protected override object? Compute(Frame frame) => new PyList(items.ConvertAll(item => item.Evaluate(frame)));
}

internal sealed class DictExpression(int line, List<(Expression Key, Expression Value)> items) : Expression(line)
{
    protected override object? Compute(Frame frame)
    {
        var dict = new PyDict();
        foreach (var (key, value) in items) dict[key.Evaluate(frame)] = value.Evaluate(frame);
        return dict;
    }
}
