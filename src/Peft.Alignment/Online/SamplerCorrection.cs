namespace Peft;

/// <summary>
/// How a loss corrects for completions that another program sampled, whose log-probabilities differ from the policy's: by the ratio of the policy's probability to the sampler's.
/// Only for batches with <c>sampling_per_token_logps</c>.
/// </summary>
public enum SamplerCorrection
{
    /// <summary>Completions whose ratio is out of bounds are left out.</summary>
    SequenceMask,

    /// <summary>The ratio of each completion, clamped to the bounds.</summary>
    SequenceTruncate,

    /// <summary>Tokens whose ratio is out of bounds are left out.</summary>
    TokenMask,

    /// <summary>The ratio of each token, clamped to the bounds.</summary>
    TokenTruncate,
}
