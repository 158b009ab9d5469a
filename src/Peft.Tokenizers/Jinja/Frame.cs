using System.Text;

namespace Peft.Tokenizers.Jinja;

/// <summary>A scope of the template: its variables, the enclosing scope, and the output.</summary>
internal sealed class Frame
{
    private readonly Frame? outer;
    private Dictionary<string, object?>? variables;

    public Frame(RenderRun run, Dictionary<string, object?> variables) => (Run, Output, this.variables) = (run, new(), variables);

    private Frame(Frame outer, StringBuilder output, bool captured) => (this.outer, Run, Output, IsCaptured) = (outer, outer.Run, output, captured);

    public RenderRun Run { get; }

    public StringBuilder Output { get; }

    /// <summary>True if the output is captured as a value.</summary>
    public bool IsCaptured { get; }

    public Frame Child() => new(this, Output, IsCaptured);

    public Frame Capturing() => new(this, new(), captured: true);

    public void Write(string text)
    {
        Run.Charge(text.Length);
        Output.Append(text);
    }

    public void Set(string name, object? value) => (variables ??= [])[name] = value;

    public bool TryGet(string name, out object? value)
    {
        for (var frame = this; frame is not null; frame = frame.outer)
        {
            Run.Look(8);   // a lookup costs about as much as reading 8 characters
            if (frame.variables is { } own && own.TryGetValue(name, out value)) return true;
        }
        return Globals.TryGet(name, out value);
    }
}
