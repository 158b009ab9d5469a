namespace Peft.Tokenizers.Jinja;

internal sealed class LeaveStatement(int line, Flow flow) : Statement(line)
{
    protected override Flow Run(Frame frame) => flow;
}
