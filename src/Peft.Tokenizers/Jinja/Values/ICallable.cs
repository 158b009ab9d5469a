namespace Peft.Tokenizers.Jinja;

/// <summary>A macro, function or method.</summary>
internal interface ICallable
{
    object? Call(Frame frame, Arguments arguments);
}
