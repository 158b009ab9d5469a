namespace Peft.Tokenizers.Jinja;

internal sealed class TextStatement(int line, string text) : Statement(line)
{
    protected override Flow Run(Frame frame)
    {
        frame.Write(text);
        return Flow.Next;
    }
}
