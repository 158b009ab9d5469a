namespace Peft;

/// <summary>Limits of the runtime that an export is for.</summary>
public sealed record ExportOptions
{
    /// <summary>vLLM's <c>--max-lora-rank</c>. 16 by default, as there.</summary>
    public int MaxRank { get; init; } = 16;
}
