namespace Peft;

/// <summary>Token ids of a prompt and a completion.</summary>
internal readonly record struct TokenRow(long[] Prompt, long[] Completion)
{
    /// <summary>Number of tokens.</summary>
    public int Length => Prompt.Length + Completion.Length;

    /// <summary>Values of a row's tokens, truncated to a maximum number.</summary>
    public static long[] Cut(IEnumerable<long> values, int? length, TruncationMode mode)
        => length is not { } most ? [.. values] : mode == TruncationMode.KeepStart ? [.. values.Take(most)] : [.. values.TakeLast(most)];

    /// <summary>The ids, truncated to a maximum number.</summary>
    public long[] Ids(int? length, TruncationMode mode = TruncationMode.KeepStart) => Cut(Prompt.Concat(Completion), length, mode);

    /// <summary>1 for tokens of the completion and 0 for those of the prompt, truncated to a maximum number.</summary>
    public long[] CompletionMask(int? length, TruncationMode mode = TruncationMode.KeepStart)
        => Cut(Enumerable.Repeat(0L, Prompt.Length).Concat(Enumerable.Repeat(1L, Completion.Length)), length, mode);
}
