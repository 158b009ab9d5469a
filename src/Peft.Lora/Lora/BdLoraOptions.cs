namespace Peft;

/// <summary>
/// Settings of BD-LoRA (Wang et al. 2025, arXiv:2510.23346): one LoRA factor is block-diagonal, so that a model with as many tensor-parallel shards
/// can serve it without additional communication. The field <c>use_bdlora</c> in a file.
/// </summary>
[TypeConverter(typeof(TextConverter<BdLoraOptions>))]
public sealed record BdLoraOptions
{
    /// <summary>True to require a block-diagonal factor for each target; false to give the other targets a plain LoRA.</summary>
    [JsonPropertyName("match_strict")] public bool MatchStrict { get; init; } = true;

    /// <summary>Number of blocks. It must divide both dimensions of each block-diagonal factor.</summary>
    [JsonPropertyName("nblocks")] public int Blocks { get; init; } = 1;

    /// <summary>Modules with a block-diagonal A, by substrings of their names: those sharded along their inputs (<c>o_proj</c>, <c>down_proj</c>).</summary>
    [JsonPropertyName("target_modules_bd_a")] public IReadOnlyList<string>? BlocksInA { get; init; }

    /// <summary>Modules with a block-diagonal B, by substrings of their names: those sharded along their outputs (<c>q_proj</c>, <c>up_proj</c>).</summary>
    [JsonPropertyName("target_modules_bd_b")] public IReadOnlyList<string>? BlocksInB { get; init; }

    internal IEnumerable<string> Errors()
    {
        if (Blocks < 1) yield return $"{nameof(LoraOptions.BdLora)}.{nameof(Blocks)} must be at least 1, but was {Blocks}.";
        if ((BlocksInA ?? []).Intersect(BlocksInB ?? []).ToList() is { Count: > 0 } both)
            yield return $"{nameof(LoraOptions.BdLora)} makes both factors of [{string.Join(", ", both)}] block-diagonal: name each in {nameof(BlocksInA)} or in {nameof(BlocksInB)}.";
    }
}
