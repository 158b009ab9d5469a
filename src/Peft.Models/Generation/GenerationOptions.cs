namespace Peft.Models;

/// <summary>
/// How to continue a text. What is null is taken from the model's <c>generation_config.json</c>, and after that from the default named here.
/// </summary>
public sealed record GenerationOptions
{
    /// <summary>Most tokens to add; 256 by default. Where positions are learned, generation ends with them.</summary>
    public int? MaxNewTokens { get; init; }

    /// <summary>Fewest tokens to add before an end-of-sequence token; 0 by default.</summary>
    public int? MinNewTokens { get; init; }

    /// <summary>Whether to draw the next token at random; false (the likeliest) by default.</summary>
    public bool? DoSample { get; init; }

    /// <summary>Logits are divided by it before drawing; 1 by default. Above 0.</summary>
    public double? Temperature { get; init; }

    /// <summary>Only so many likeliest tokens can be drawn; 50 by default, 0 for all.</summary>
    public int? TopK { get; init; }

    /// <summary>Only the likeliest tokens whose probabilities sum to it can be drawn (Holtzman et al. 2020, arXiv:1904.09751); 1 (all) by default.</summary>
    public double? TopP { get; init; }

    /// <summary>
    /// Logits of tokens that occur already, prompt included, are divided by it if positive and multiplied if negative (Keskar et al. 2019,
    /// arXiv:1909.05858); 1 (none) by default.
    /// </summary>
    public double? RepetitionPenalty { get; init; }

    /// <summary>Tokens that end a sequence; the model's end-of-sequence tokens by default.</summary>
    public IReadOnlyList<int>? EndTokenIds { get; init; }

    /// <summary>What fills shorter rows of a batch; by default the model's padding token, or its end-of-sequence token, or 0.</summary>
    public int? PadTokenId { get; init; }

    /// <summary>Texts that end a sequence; they need a tokenizer. The text returned ends before them.</summary>
    public IReadOnlyList<string> StopStrings { get; init; } = [];

    /// <summary>Seed of the draws; null for a different draw each time.</summary>
    public long? Seed { get; init; }
}
