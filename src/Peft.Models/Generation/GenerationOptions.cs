using System.ComponentModel;

namespace Peft.Models;

/// <summary>
/// How to continue a text. What is null is taken from the model's <c>generation_config.json</c>, and after that from the default named here.
/// </summary>
/// <remarks>Names and meanings are those of Hugging Face's generation configuration.</remarks>
public sealed record GenerationOptions
{
    static GenerationOptions() => TypeDescriptor.AddAttributes(typeof(IReadOnlyList<TokenBias>), new TypeConverterAttribute(typeof(TextConverter<IReadOnlyList<TokenBias>>)));

    /// <summary>Most tokens to add; 256 by default. Where positions are learned, generation ends with them.</summary>
    public int? MaxNewTokens { get; init; }

    /// <summary>Most tokens of a sequence, prompt (with its padding) included; counts where <see cref="MaxNewTokens"/> is given neither here nor, if this is null, in the model's file.</summary>
    public int? MaxLength { get; init; }

    /// <summary>Fewest tokens to add before an end-of-sequence token; 0 by default.</summary>
    public int? MinNewTokens { get; init; }

    /// <summary>Fewest tokens of a sequence, prompt included, before an end-of-sequence token; 0 by default.</summary>
    public int? MinLength { get; init; }

    /// <summary>Whether to draw the next token at random; false (the likeliest) by default.</summary>
    public bool? DoSample { get; init; }

    /// <summary>Logits are divided by it before drawing; 1 by default. Above 0.</summary>
    public double? Temperature { get; init; }

    /// <summary>Only so many likeliest tokens can be drawn; 50 by default, 0 for all.</summary>
    public int? TopK { get; init; }

    /// <summary>Only the likeliest tokens whose probabilities sum to it can be drawn (Holtzman et al. 2020, arXiv:1904.09751); 1 (all) by default.</summary>
    public double? TopP { get; init; }

    /// <summary>Only tokens whose probability is at least this share of the likeliest one's can be drawn (Nguyen et al. 2024, arXiv:2407.01082); 0 (all) by default.</summary>
    public double? MinP { get; init; }

    /// <summary>
    /// Only the tokens whose surprise is nearest to the expected one, until their probabilities sum to this, can be drawn (Meister et al. 2022,
    /// arXiv:2202.00666); 1 (all) by default.
    /// </summary>
    public double? TypicalP { get; init; }

    /// <summary>Only tokens at least so probable can be drawn (Hewitt et al. 2022, arXiv:2210.15191); 0 (all) by default.</summary>
    public double? EpsilonCutoff { get; init; }

    /// <summary>As <see cref="EpsilonCutoff"/> with the bound min(η, √η·e^−entropy) (the same paper); 0 (all) by default.</summary>
    public double? EtaCutoff { get; init; }

    /// <summary>
    /// Logits of tokens that occur already, prompt included, are divided by it if positive and multiplied if negative (Keskar et al. 2019,
    /// arXiv:1909.05858); 1 (none) by default.
    /// </summary>
    public double? RepetitionPenalty { get; init; }

    /// <summary>Logits of tokens that the prompt does not have fall behind by this factor: those of the prompt are multiplied if positive and divided if negative; 1 by default.</summary>
    public double? EncoderRepetitionPenalty { get; init; }

    /// <summary>No run of so many tokens comes twice, prompt included; 0 (any may) by default.</summary>
    public int? NoRepeatNGramSize { get; init; }

    /// <summary>No run of so many tokens of the prompt is written; 0 (any may) by default.</summary>
    public int? EncoderNoRepeatNGramSize { get; init; }

    /// <summary>Runs of tokens that must not be written; none by default.</summary>
    public IReadOnlyList<IReadOnlyList<int>>? BadWords { get; init; }

    /// <summary>What is added to the score of the last token of a run where the others stand before it; none by default.</summary>
    public IReadOnlyList<TokenBias>? SequenceBias { get; init; }

    /// <summary>Tokens that are never written; none by default.</summary>
    public IReadOnlyList<int>? SuppressTokens { get; init; }

    /// <summary>Tokens that are not written first; none by default.</summary>
    public IReadOnlyList<int>? BeginSuppressTokens { get; init; }

    /// <summary>The token that comes after a prompt of one token, as that of an encoder-decoder model is; any by default.</summary>
    public int? ForcedBosTokenId { get; init; }

    /// <summary>Tokens, one of which is the last where the most tokens are reached; any by default.</summary>
    public IReadOnlyList<int>? ForcedEosTokenIds { get; init; }

    /// <summary>Scores of end-of-sequence tokens grow from the start on: by |score|·(factor^(new tokens − start) − 1); never by default.</summary>
    public LengthDecay? ExponentialDecayLengthPenalty { get; init; }

    /// <summary>Whether NaN and infinite logits are made finite; false by default.</summary>
    public bool? RemoveInvalidValues { get; init; }

    /// <summary>Whether scores become log-probabilities again after all changes, which matters for beam search; false by default.</summary>
    public bool? RenormalizeLogits { get; init; }

    /// <summary>Further changes of the scores, in their order, after all of the above but those that only drawing knows (temperature and what can be drawn).</summary>
    public IReadOnlyList<ILogitsProcessor> LogitsProcessors { get; init; } = [];

    /// <summary>Beams of a beam search; 1 (none) by default.</summary>
    public int? NumBeams { get; init; }

    /// <summary>A hypothesis scores the sum of its log-probabilities divided by its new tokens to the power of this: above 0 helps long ones, below 0 short ones; 1 by default.</summary>
    public double? LengthPenalty { get; init; }

    /// <summary>When a beam search ends; <see cref="EarlyStopping.Heuristic"/> by default.</summary>
    public EarlyStopping? EarlyStopping { get; init; }

    /// <summary>Sequences for each prompt, drawn or the best of a beam search; 1 by default. Methods that return several give those of a prompt one after another.</summary>
    public int? NumReturnSequences { get; init; }

    /// <summary>Tokens that end a sequence; the model's end-of-sequence tokens by default.</summary>
    public IReadOnlyList<int>? EndTokenIds { get; init; }

    /// <summary>What fills shorter rows of a batch; by default the model's padding token, or its end-of-sequence token, or 0.</summary>
    public int? PadTokenId { get; init; }

    /// <summary>Texts that end a sequence; they need a tokenizer. The text returned ends before them. None by default.</summary>
    public IReadOnlyList<string>? StopStrings { get; init; }

    /// <summary>Seed of the draws; null for a different draw each time.</summary>
    public long? Seed { get; init; }

    /// <summary>Whether <c>generation_config.json</c> counts; without it, only its padding and end-of-sequence tokens do.</summary>
    public bool UseModelDefaults { get; init; } = true;
}
