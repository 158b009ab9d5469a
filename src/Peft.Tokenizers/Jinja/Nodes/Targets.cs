namespace Peft.Tokenizers.Jinja;

/// <summary>The target of an assignment.</summary>
internal abstract class Target
{
    public abstract void Assign(Frame frame, object? value);
}

internal sealed class NameTarget(string name) : Target
{
    public override void Assign(Frame frame, object? value) => frame.Set(name, value);
}

/// <summary>An attribute of a namespace. It persists after the loop that sets it.</summary>
internal sealed class AttributeTarget(string name, string attribute) : Target
{
    public override void Assign(Frame frame, object? value)
    {
        if (!frame.TryGet(name, out var target)) throw new ChatTemplateException($"'{name}' is undefined.");
        if (target is not Namespace attributes) throw new ChatTemplateException($"Attributes can only be assigned to a namespace, but '{name}' is {TypeName.Of(target)}.");
        attributes.Values[attribute] = value;
    }
}

internal sealed class TupleTarget(List<Target> targets) : Target
{
    public override void Assign(Frame frame, object? value)
    {
        var values = frame.Run.Iterate(value).Take(targets.Count + 1).ToList();
        if (values.Count != targets.Count)
            throw new ChatTemplateException($"{targets.Count} values are needed for unpacking, but there are {(values.Count > targets.Count ? "more" : values.Count)}.");
        for (var i = 0; i < targets.Count; i++) targets[i].Assign(frame, values[i]);
    }
}
