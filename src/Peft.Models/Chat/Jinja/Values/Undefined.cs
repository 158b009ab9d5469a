namespace Peft.Models.Jinja;

/// <summary>What a missing variable, attribute or item is: it prints nothing, is false and empty, and everything else with it is an error.</summary>
/// <param name="why">What is missing.</param>
internal sealed class Undefined(string why)
{
    public ChatTemplateException Error() => new(why + ".");
}
