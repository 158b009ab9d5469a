using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace Peft.Tokenizers;

/// <summary>
/// A regular expression of a <c>tokenizer.json</c>, which is written for Oniguruma and code points. .NET expressions match UTF-16 code units, and
/// half a surrogate pair is neither a letter nor a symbol. For matching, each surrogate pair is therefore replaced by a single stand-in character.
/// </summary>
internal sealed class RegexPattern : TextPattern
{
    private readonly Regex regex;
    private readonly ResourceLimits limits;

    public RegexPattern(string pattern, ResourceLimits limits)
    {
        this.limits = limits;
        if (pattern.Length > limits.MaxPatternLength)
            throw new TokenizerException($"A regular expression has {pattern.Length:N0} characters. {limits.Remedy(nameof(ResourceLimits.MaxPatternLength), TokenizerReading.WhereLimitsAre)}");
        try
        {
            regex = new(OnigurumaPattern.Translate(pattern), RegexOptions.CultureInvariant | RegexOptions.Multiline | RegexOptions.Compiled, TextBudget.MatchTimeout(limits));
        }
        catch (Exception exception) when (exception is ArgumentException or InsufficientExecutionStackException)
        {
            throw new TokenizerException($"The regular expression \"{pattern}\" cannot be read: {exception.Message}", exception);
        }
    }

    public override List<TextMatch> FindMatches(string text, TextBudget budget)
    {
        var positions = Utf16.CodePointPositions(text);
        if (positions is null)
            return FindMatches(text, null, budget);
        var starts = new int[positions[^1] + 1];
        for (var i = text.Length; i >= 0; i--)
            starts[positions[i]] = i;
        return FindMatches(StandIn(text), starts, budget);
    }

    private List<TextMatch> FindMatches(string text, int[]? starts, TextBudget budget)
    {
        var result = new List<TextMatch>();
        var since = Stopwatch.GetTimestamp();
        var last = 0;
        try
        {
            foreach (var match in regex.EnumerateMatches(text))
            {
                since = budget.Searched(since, regex.ToString());
                var end = match.Index + match.Length;
                if (match.Length == 0 && match.Index == last && last > 0)
                    continue;
                Add(last, match.Index, false);
                if (match.Length > 0)
                    Add(match.Index, end, true);
                else
                    result.Add(new(At(end), At(end), true));
                last = end;
            }
        }
        catch (RegexMatchTimeoutException exception)
        {
            throw TextBudget.TooSlow(limits, regex.ToString(), text.Length, exception);
        }
        budget.Searched(since, regex.ToString());
        Add(last, text.Length, false);
        return result;

        int At(int position) => starts is null ? position : starts[position];

        void Add(int start, int end, bool isMatch)
        {
            if (start < end)
                result.Add(new(At(start), At(end), isMatch));
        }
    }

    private static string StandIn(string text)
    {
        var result = new StringBuilder(text.Length);
        foreach (var rune in text.EnumerateRunes())
            result.Append(rune.IsBmp ? (char)rune.Value : StandIn(rune));
        return result.ToString();
    }

    // Rare characters of the same general category, which do not occur in published expressions.
    private static char StandIn(Rune rune) => Rune.GetUnicodeCategory(rune) switch
    {
        UnicodeCategory.UppercaseLetter => '\uA680',
        UnicodeCategory.LowercaseLetter => '\uA681',
        UnicodeCategory.TitlecaseLetter => '\u1F88',
        UnicodeCategory.ModifierLetter => '\uA69C',
        UnicodeCategory.OtherLetter => UnicodeClasses.IsHan(rune) ? OnigurumaPattern.HanStandIn : '\uA000',
        UnicodeCategory.NonSpacingMark => '\uA66F',
        UnicodeCategory.SpacingCombiningMark => '\uA823',
        UnicodeCategory.EnclosingMark => '\uA670',
        UnicodeCategory.DecimalDigitNumber => '\uA620',
        UnicodeCategory.LetterNumber => '\uA6E6',
        UnicodeCategory.OtherNumber => '\uA830',
        UnicodeCategory.ConnectorPunctuation => '\uFE33',
        UnicodeCategory.DashPunctuation => '\uFE58',
        UnicodeCategory.OpenPunctuation => '\uFE59',
        UnicodeCategory.ClosePunctuation => '\uFE5A',
        UnicodeCategory.InitialQuotePunctuation => '\u2E02',
        UnicodeCategory.FinalQuotePunctuation => '\u2E03',
        UnicodeCategory.OtherPunctuation => '\uA60D',
        UnicodeCategory.MathSymbol => '\uFE62',
        UnicodeCategory.CurrencySymbol => '\uA838',
        UnicodeCategory.ModifierSymbol => '\uA700',
        UnicodeCategory.OtherSymbol => UnicodeClasses.IsWord(rune) ? '\u24B6' : '\uA490',
        UnicodeCategory.Format => '\u2061',
        UnicodeCategory.PrivateUse => '\uE000',
        _ => '\uFFFE',
    };
}
