namespace Peft.Tokenizers.Jinja;

/// <summary>The value of a missing variable, attribute or item. It prints nothing, is false and is empty; any other use throws.</summary>
/// <param name="why">What is missing, for the error message.</param>
internal sealed class Undefined(string why)
{
    public ChatTemplateException Error() => new(why + ".");
}
