namespace Peft.Tokenizers.Jinja;

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
