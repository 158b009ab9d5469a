namespace Peft.Tokenizers.Jinja;

internal sealed class SetStatement(int line, Target target, Expression value) : Statement(line)
{
    protected override Flow Run(Frame frame)
    {
        target.Assign(frame, value.Evaluate(frame));
        return Flow.Next;
    }
}
