namespace Rlhf;

/// <summary>Stories for prompts that no training has seen.</summary>
/// <param name="Score">Mean score of the judge.</param>
/// <param name="Words">Mean number of words.</param>
/// <param name="Distinct">Different words per word.</param>
/// <param name="Samples">Some of them.</param>
internal sealed record Measurement(double Score, double Words, double Distinct, IReadOnlyList<Story> Samples);
