namespace Peft;

/// <summary>Reward functions of the literature, with TRL's values. Each is an element of <see cref="RolloutOptions.Rewards"/>.</summary>
public static class RewardFunctions
{
    private const string Begin = "<think>", End = "</think>";

    /// <summary>1 for texts that begin with one block <c>&lt;think&gt;…&lt;/think&gt;</c>, else 0. Needs <see cref="RolloutOptions.Tokenizer"/>.</summary>
    public static RewardFunction ThinkFormat()
        => RewardFunction.Of("think_format_reward", completion => completion.Text is { } text ? Thinks(text) ? 1 : 0 : throw new RewardException("The form of a completion is that of its text: set RolloutOptions.Tokenizer."));

    /// <summary>A punishment of long completions (DAPO, arXiv:2503.14476, equation 13): 0 up to L − c tokens, then falling to −1 at L tokens.</summary>
    /// <param name="maxLength">L: number of tokens from which the punishment is −1. At least 1.</param>
    /// <param name="buffer">c: number of tokens before, over which it falls. From 0 to L.</param>
    public static RewardFunction SoftOverlong(int maxLength, int buffer)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(maxLength, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(buffer);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(buffer, maxLength);
        return RewardFunction.Of("soft_overlong_punishment_reward", completion => completion.Tokens.Count is var length && length <= maxLength - buffer ? 0
            : length <= maxLength ? (double)(maxLength - buffer - length) / buffer : -1);
    }

    /// <summary>A punishment of repetition (Yeo et al. 2025, arXiv:2502.03373, appendix C.2): the share of n-grams of tokens that occurred before, times the largest punishment.</summary>
    /// <param name="size">n. At least 1; 3 by default.</param>
    /// <param name="maxPenalty">The largest punishment, 0 or less. −1 by default.</param>
    public static RewardFunction RepetitionPenalty(int size = 3, double maxPenalty = -1)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(size, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(maxPenalty, 0);
        return RewardFunction.Of("repetition_penalty_reward", completion =>
        {
            var count = completion.Tokens.Count - size + 1;
            if (count < 1) return 0;
            var different = Enumerable.Range(0, count).Select(start => string.Join(' ', completion.Tokens.Skip(start).Take(size))).Distinct(StringComparer.Ordinal).Count();
            return different == count ? 0 : (1 - ((double)different / count)) * maxPenalty;
        });
    }

    /// <summary>
    /// A reward for being right that depends on the length (Yeo et al. 2025, arXiv:2502.03373, appendix C.1): among right completions short ones get more, among wrong ones long ones.
    /// </summary>
    /// <param name="isRight">Says whether a completion is right; null where that cannot be said, which gives no reward.</param>
    /// <param name="maxLength">Number of tokens from which the reward is that of the longest. At least 1.</param>
    /// <param name="wrong">Rewards of wrong completions, of the shortest and of the longest. −1 and −0.5 by default.</param>
    /// <param name="right">Rewards of right completions, of the longest and of the shortest. 0.5 and 1 by default.</param>
    public static RewardFunction CosineScaled(Func<Completion, bool?> isRight, int maxLength, (double Shortest, double Longest)? wrong = null, (double Longest, double Shortest)? right = null)
    {
        ArgumentNullException.ThrowIfNull(isRight);
        ArgumentOutOfRangeException.ThrowIfLessThan(maxLength, 1);
        var (shortWrong, longWrong) = wrong ?? (-1, -0.5);
        var (longRight, shortRight) = right ?? (0.5, 1);
        return RewardFunction.Of("cosine_scaled_reward", completion =>
        {
            if (isRight(completion) is not { } answer) return null;
            var (longest, shortest) = answer ? (longRight, shortRight) : (longWrong, shortWrong);
            return longest + 0.5 * (shortest - longest) * (1 + Math.Cos(Math.Min(1, (double)completion.Tokens.Count / maxLength) * Math.PI));
        });
    }

    private static bool Thinks(string text)
        => text.StartsWith(Begin, StringComparison.Ordinal) && text.IndexOf(Begin, Begin.Length, StringComparison.Ordinal) < 0 && text.IndexOf(End, Begin.Length, StringComparison.Ordinal) >= 0;
}
