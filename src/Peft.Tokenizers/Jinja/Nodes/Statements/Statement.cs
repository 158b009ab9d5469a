namespace Peft.Tokenizers.Jinja;

/// <summary>A statement of a template.</summary>
internal abstract class Statement(int line)
{
    public int Line => line;

    public Flow Execute(Frame frame)
    {
        frame.Run.Step(line);
        return Run(frame);
    }

    protected abstract Flow Run(Frame frame);
}
