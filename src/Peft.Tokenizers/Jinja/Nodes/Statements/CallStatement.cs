namespace Peft.Tokenizers.Jinja;

internal sealed class CallStatement(int line, CallExpression call, MacroDefinition block) : Statement(line)
{
    protected override Flow Run(Frame frame)
    {
        frame.Write(frame.Run.Text(call.Call(frame, new Macro(block, frame))));
        return Flow.Next;
    }
}
