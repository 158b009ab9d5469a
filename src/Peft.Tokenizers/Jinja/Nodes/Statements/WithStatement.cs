namespace Peft.Tokenizers.Jinja;

internal sealed class WithStatement(int line, List<(Target Target, Expression Value)> values, Block body) : Statement(line)
{
    protected override Flow Run(Frame frame)
    {
        var inner = frame.Child();
        foreach (var (target, value) in values) target.Assign(inner, value.Evaluate(frame));
        return body.Execute(inner);
    }
}
