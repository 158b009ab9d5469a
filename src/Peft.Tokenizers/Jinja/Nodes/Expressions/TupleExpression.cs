namespace Peft.Tokenizers.Jinja;

internal sealed class TupleExpression(int line, List<Expression> items) : Expression(line)
{
    protected override object? Compute(Frame frame) => new PyTuple(items.ConvertAll(item => item.Evaluate(frame)));
}
