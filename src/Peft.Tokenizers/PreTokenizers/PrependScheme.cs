namespace Peft.Tokenizers;

/// <summary>When a space is prepended to text that does not begin with one.</summary>
internal enum PrependScheme
{
    /// <summary>Only at the beginning of the whole text.</summary>
    First,
    /// <summary>Never.</summary>
    Never,
    /// <summary>At the beginning of every piece, including those that follow an added token.</summary>
    Always,
}
