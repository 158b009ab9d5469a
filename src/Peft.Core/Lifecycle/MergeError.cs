namespace Peft;

/// <summary>The rounding error of a weight that is not a parameter, when adapters were merged into it.</summary>
/// <param name="Path">Path of the module.</param>
/// <param name="Error">Root mean square of the rounding of the merged weight.</param>
/// <param name="Change">Root mean square of the change that the adapters make.</param>
public sealed record MergeError(string Path, double Error, double Change)
{
    /// <summary>The <see cref="Relative"/> error from which merging warns.</summary>
    public const double Bound = 0.25;

    /// <summary>The error relative to the change: at 1, rounding is as large as what was trained.</summary>
    public double Relative => Change == 0 ? Error == 0 ? 0 : double.PositiveInfinity : Error / Change;
}
