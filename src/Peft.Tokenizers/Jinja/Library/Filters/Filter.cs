namespace Peft.Tokenizers.Jinja;

/// <summary>A filter: takes the value before the bar, and the arguments after its name.</summary>
internal delegate object? Filter(Frame frame, object? value, Arguments arguments);
