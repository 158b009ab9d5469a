namespace Peft.Tokenizers.Jinja;

/// <summary>A generation block, which marks the assistant's content.</summary>
internal sealed class GenerationStatement(int line, Block body) : Statement(line)
{
    protected override Flow Run(Frame frame)
    {
        if (!frame.IsCaptured)
        {
            var start = frame.Output.Length;
            body.Execute(frame.Child());
            frame.Run.Generated.Add((start, frame.Output.Length));
            return Flow.Next;
        }
        // The final position of captured text is not known yet, and the text may be dropped.
        frame.Run.GenerationInCapture ??= Line;
        body.Execute(frame.Child());
        return Flow.Next;
    }
}
