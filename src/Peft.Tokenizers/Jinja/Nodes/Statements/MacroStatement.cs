namespace Peft.Tokenizers.Jinja;

internal sealed class MacroStatement(int line, string name, MacroDefinition definition) : Statement(line)
{
    protected override Flow Run(Frame frame)
    {
        frame.Set(name, new Macro(definition, frame));
        return Flow.Next;
    }
}
