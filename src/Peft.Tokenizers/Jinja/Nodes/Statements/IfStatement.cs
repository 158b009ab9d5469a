namespace Peft.Tokenizers.Jinja;

internal sealed class IfStatement(int line, List<(Expression Condition, Block Body)> branches, Block? otherwise) : Statement(line)
{
    protected override Flow Run(Frame frame)
    {
        foreach (var (condition, body) in branches)
            if (Truth.Of(condition.Evaluate(frame))) return body.Execute(frame);
        return otherwise?.Execute(frame) ?? Flow.Next;
    }
}
