using System.Diagnostics;
using System.Globalization;

namespace Peft.Tokenizers;

/// <summary>Remaining budget for encoding or decoding a text. The rules of an untrusted tokenizer could double a text forty times, or search it for years.</summary>
internal sealed class TextBudget
{
    private const string Where = $"{nameof(PretrainedOptions)}.{nameof(PretrainedOptions.Limits)}";
    private const int FreeCharacters = 1_000_000;

    private readonly ResourceLimits limits;
    private readonly long length;
    private long characters;
    private TimeSpan pattern;

    public TextBudget(ResourceLimits limits, long length)
    {
        (this.limits, this.length) = (limits, length);
        characters = FreeCharacters + length * limits.MaxTextGrowth;
        pattern = limits.MaxPatternTime + TimeSpan.FromMicroseconds(length);
    }

    /// <summary>Counts characters or tokens that are about to be allocated.</summary>
    public void Charge(long count)
    {
        characters -= count;
        if (characters < 0)
            throw new TokenizerException($"The tokenizer's rules produce too much output for a text of {length:N0} characters or tokens. {limits.Remedy(nameof(ResourceLimits.MaxTextGrowth), Where)}");
    }

    /// <summary>Timeout of a single match.</summary>
    public static TimeSpan MatchTimeout(ResourceLimits limits) => limits.MaxPatternTime > TimeSpan.Zero ? limits.MaxPatternTime : TimeSpan.FromTicks(1);

    /// <summary>Counts the time that an expression has searched since a <see cref="Stopwatch.GetTimestamp"/>. Returns the current timestamp.</summary>
    public long Searched(long since, string expression)
    {
        var now = Stopwatch.GetTimestamp();
        pattern -= Stopwatch.GetElapsedTime(since, now);
        return pattern > TimeSpan.Zero ? now : throw TooSlow(limits, expression, length, null);
    }

    /// <summary>The exception for an expression that takes too long.</summary>
    public static TokenizerException TooSlow(ResourceLimits limits, string expression, long length, Exception? cause) => new(string.Create(CultureInfo.InvariantCulture,
        $"The tokenizer's regular expression \"{expression}\" takes too long on a text of {length:N0} characters. {limits.Remedy(nameof(ResourceLimits.MaxPatternTime), Where)}"), cause);
}
