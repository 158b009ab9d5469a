namespace Peft.Tokenizers.Jinja;

/// <summary>The result of <c>namespace()</c>: attributes that can be set inside loops.</summary>
internal sealed class Namespace(Dictionary<string, object?> values)
{
    public Dictionary<string, object?> Values => values;
}
