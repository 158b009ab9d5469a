namespace Peft.Tokenizers.Jinja;

/// <summary>A built-in function.</summary>
internal sealed class Function(string name, Func<Frame, Arguments, object?> body) : ICallable
{
    public string Name => name;

    public object? Call(Frame frame, Arguments arguments) => body(frame, arguments);
}
