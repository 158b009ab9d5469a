namespace Peft.Tokenizers.Jinja;

internal sealed class ListExpression(int line, List<Expression> items) : Expression(line)
{
    protected override object? Compute(Frame frame) => new PyList(items.ConvertAll(item => item.Evaluate(frame)));
}
