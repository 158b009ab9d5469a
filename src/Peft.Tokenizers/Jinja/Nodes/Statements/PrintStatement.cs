namespace Peft.Tokenizers.Jinja;

internal sealed class PrintStatement(int line, Expression value) : Statement(line)
{
    protected override Flow Run(Frame frame)
    {
        frame.Write(frame.Run.Text(value.Evaluate(frame)));
        return Flow.Next;
    }
}
