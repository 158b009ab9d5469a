namespace Peft;

/// <summary>What rounding made of a weight that is no parameter when adapters were merged into it.</summary>
/// <param name="Path">Path of the module.</param>
/// <param name="Error">Root mean square of the rounding of the merged weight.</param>
/// <param name="Change">Root mean square of the change that the adapters make.</param>
public sealed record MergeError(string Path, double Error, double Change)
{
    /// <summary>From which <see cref="Relative"/> error on an adapter has a warning.</summary>
    public const double Bound = 0.25;

    /// <summary>The error relative to the change: at 1, rounding is as large as what was trained.</summary>
    public double Relative => Change == 0 ? Error == 0 ? 0 : double.PositiveInfinity : Error / Change;
}
