namespace Peft;

/// <summary>The rounding error of merging adapters into a weight that is not a parameter.</summary>
/// <param name="Path">Path of the module.</param>
/// <param name="Error">Root mean square of the rounding error of the merged weight.</param>
/// <param name="Change">Root mean square of the adapters' update.</param>
public sealed record MergeError(string Path, double Error, double Change)
{
    /// <summary>The <see cref="Relative"/> error above which merging warns.</summary>
    public const double Bound = 0.25;

    /// <summary>The error relative to the update: at 1, rounding is as large as the trained update.</summary>
    public double Relative => Change == 0 ? Error == 0 ? 0 : double.PositiveInfinity : Error / Change;
}
