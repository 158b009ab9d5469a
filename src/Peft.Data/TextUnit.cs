namespace Peft;

/// <summary>What a row of a text file is.</summary>
public enum TextUnit
{
    /// <summary>A line that is not blank.</summary>
    Line,

    /// <summary>The lines between blank lines.</summary>
    Paragraph,

    /// <summary>The whole file.</summary>
    Document,
}
