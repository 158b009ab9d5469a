namespace Peft.Tokenizers.Jinja;

/// <summary>The control flow after a statement.</summary>
internal enum Flow
{
    Next,
    Break,
    Continue,
}
