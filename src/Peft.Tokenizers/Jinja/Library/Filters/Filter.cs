namespace Peft.Tokenizers.Jinja;

/// <summary>A filter, applied to the value on the left of the bar, with the arguments that follow its name.</summary>
internal delegate object? Filter(Frame frame, object? value, Arguments arguments);
