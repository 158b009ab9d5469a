namespace Peft.Tokenizers.Jinja;

/// <summary>The target of an assignment.</summary>
internal abstract class Target
{
    public abstract void Assign(Frame frame, object? value);
}
