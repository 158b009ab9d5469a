namespace Peft.Tokenizers.Jinja;

internal sealed class FilterExpression(int line, Expression value, FilterCall filter) : Expression(line)
{
    protected override object? Compute(Frame frame) => filter.Apply(frame, value.Evaluate(frame));
}
