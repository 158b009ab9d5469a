namespace Peft.Tokenizers;

/// <summary>Truncates sequences.</summary>
internal static class Truncation
{
    /// <summary>Truncates a single sequence or a pair to a total number of tokens.</summary>
    public static void Cut(List<List<TokenEntry>> sequences, int length, TruncationStrategy strategy, Side side)
    {
        var total = sequences.Sum(sequence => sequence.Count);
        if (total <= length)
            return;
        if (strategy == TruncationStrategy.LongestFirst)
        {
            var targets = sequences.Count == 1 ? [length] : Balance(sequences[0].Count, sequences[1].Count, length);
            for (var i = 0; i < sequences.Count; i++)
                Cut(sequences[i], targets[i], side);
            return;
        }
        var index = strategy == TruncationStrategy.OnlyFirst ? 0 : 1;
        if (index >= sequences.Count)
            throw new ArgumentException("TruncationStrategy.OnlySecond requires a pair of texts, but there is only one text.");
        var target = sequences[index].Count - (total - length);
        if (target <= 0)
            throw new ArgumentException($"{strategy} cannot reduce {total} tokens to {length}: the sequence that it truncates has only {sequences[index].Count}. Raise MaxLength or use LongestFirst.");
        Cut(sequences[index], target, side);
    }

    // Only the longer one is truncated as long as it remains longer. Otherwise both get half, and the longer one the odd token.
    private static int[] Balance(int first, int second, int length)
    {
        var shorter = Math.Min(first, second);
        var longer = shorter > length ? shorter : Math.Max(shorter, length - shorter);
        if (shorter + longer > length)
        {
            shorter = length / 2;
            longer = shorter + length % 2;
        }
        return first > second ? [longer, shorter] : [shorter, longer];
    }

    private static void Cut(List<TokenEntry> tokens, int length, Side side)
    {
        if (tokens.Count > length)
            tokens.RemoveRange(side == Side.Left ? 0 : length, tokens.Count - length);
    }
}
