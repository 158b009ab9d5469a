namespace Peft.Tokenizers.Jinja;

internal sealed class NameTarget(string name) : Target
{
    public override void Assign(Frame frame, object? value) => frame.Set(name, value);
}
