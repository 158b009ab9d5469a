using System.ComponentModel;
using System.Text.Json.Serialization;

namespace Peft;

/// <summary>
/// What makes LoRA BD-LoRA (Wang et al. 2025, arXiv:2510.23346): one factor consists of blocks on its diagonal, so that a model whose weights are cut into
/// as many parts serves it without exchanging anything. As a file, <c>use_bdlora</c>.
/// </summary>
[TypeConverter(typeof(TextConverter<BdloraOptions>))]
public sealed record BdloraOptions
{
    /// <summary>Whether each target must have one factor in blocks; if not, others get a plain LoRA.</summary>
    [JsonPropertyName("match_strict")] public bool MatchStrict { get; init; } = true;

    /// <summary>Number of blocks. It must divide the sizes of the factors that it cuts.</summary>
    [JsonPropertyName("nblocks")] public int Blocks { get; init; } = 1;

    /// <summary>Modules whose A is in blocks, by parts of their names: those that are cut along their inputs (<c>o_proj</c>, <c>down_proj</c>).</summary>
    [JsonPropertyName("target_modules_bd_a")] public IReadOnlyList<string>? BlocksInA { get; init; }

    /// <summary>Modules whose B is in blocks: those that are cut along their outputs (<c>q_proj</c>, <c>up_proj</c>).</summary>
    [JsonPropertyName("target_modules_bd_b")] public IReadOnlyList<string>? BlocksInB { get; init; }

    internal IEnumerable<string> Errors()
    {
        if (Blocks < 1) yield return $"{nameof(LoraOptions.Bdlora)}.{nameof(Blocks)} must be at least 1, but was {Blocks}.";
        if ((BlocksInA ?? []).Intersect(BlocksInB ?? []).ToList() is { Count: > 0 } both)
            yield return $"{nameof(LoraOptions.Bdlora)} puts both factors of [{string.Join(", ", both)}] in blocks: name each in {nameof(BlocksInA)} or in {nameof(BlocksInB)}.";
    }
}
