namespace Peft.Quantization;

/// <summary>What quantization does to the outputs of a module on the samples.</summary>
/// <param name="Path">Path of the module.</param>
/// <param name="Error">Mean squared error of the outputs, relative to their mean square.</param>
/// <param name="RoundingError">The same if all values were rounded to the nearest of the same grid.</param>
public sealed record CalibratedWeight(string Path, double Error, double RoundingError);
