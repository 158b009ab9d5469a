namespace Peft;

/// <summary>A side of a sequence.</summary>
public enum Side
{
    /// <summary>The end.</summary>
    Right,
    /// <summary>The beginning.</summary>
    Left,
}
