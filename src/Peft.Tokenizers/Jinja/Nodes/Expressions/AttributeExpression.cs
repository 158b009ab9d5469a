namespace Peft.Tokenizers.Jinja;

internal sealed class AttributeExpression(int line, Expression target, string name) : Expression(line)
{
    protected override object? Compute(Frame frame) => Members.Attribute(frame.Run, target.Evaluate(frame), name);
}
