namespace Peft.Tokenizers.Jinja;

internal sealed class TupleTarget(List<Target> targets) : Target
{
    public override void Assign(Frame frame, object? value)
    {
        var values = frame.Run.Iterate(value).Take(targets.Count + 1).ToList();
        if (values.Count != targets.Count)
            throw new ChatTemplateException($"Unpacking requires {targets.Count} values, but there are {(values.Count > targets.Count ? "more" : values.Count)}.");
        for (var i = 0; i < targets.Count; i++) targets[i].Assign(frame, values[i]);
    }
}
