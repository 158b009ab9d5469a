namespace Peft.Tokenizers.Jinja;

internal sealed class NameExpression(int line, string name) : Expression(line)
{
    protected override object? Compute(Frame frame) => frame.TryGet(name, out var value) ? value : new Undefined($"'{name}' is undefined");
}
