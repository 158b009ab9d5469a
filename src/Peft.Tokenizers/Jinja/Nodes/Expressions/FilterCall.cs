namespace Peft.Tokenizers.Jinja;

/// <summary>A filter with its arguments.</summary>
internal sealed record FilterCall(int Line, string Name, ArgumentList Arguments)
{
    public object? Apply(Frame frame, object? value)
    {
        frame.Run.Step(Line);
        return Filters.Apply(frame, Name, value, Arguments.Evaluate(frame));
    }
}
