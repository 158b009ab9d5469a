namespace Peft.Models;

/// <summary>Types of norms.</summary>
public enum NormKind
{
    /// <summary>RMS norm: divides by the root mean square, without a bias.</summary>
    Rms,

    /// <summary>Layer norm: uses mean and variance, with a bias.</summary>
    Layer,
}
