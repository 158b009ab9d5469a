namespace Peft.Tokenizers.Jinja;

internal sealed class DictExpression(int line, List<(Expression Key, Expression Value)> items) : Expression(line)
{
    protected override object? Compute(Frame frame)
    {
        var dict = new PyDict();
        foreach (var (key, value) in items) dict[key.Evaluate(frame)] = value.Evaluate(frame);
        return dict;
    }
}
