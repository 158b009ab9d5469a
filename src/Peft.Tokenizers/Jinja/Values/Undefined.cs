namespace Peft.Tokenizers.Jinja;

/// <summary>The value of a missing variable, attribute or item. It prints nothing, is false and empty; any other use of it is an error.</summary>
/// <param name="why">The missing thing, for the error message.</param>
internal sealed class Undefined(string why)
{
    public ChatTemplateException Error() => new(why + ".");
}
