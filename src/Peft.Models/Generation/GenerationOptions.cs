using System.ComponentModel;

namespace Peft.Models;

/// <summary>
/// Options for text generation. Null means the value in the model's <c>generation_config.json</c>, or else the default given below.
/// </summary>
/// <remarks>Names and meanings match Hugging Face's <c>GenerationConfig</c>.</remarks>
public sealed record GenerationOptions
{
    static GenerationOptions() => TypeDescriptor.AddAttributes(typeof(IReadOnlyList<TokenBias>), new TypeConverterAttribute(typeof(TextConverter<IReadOnlyList<TokenBias>>)));

    /// <summary>Maximum number of new tokens; 256 by default. Learned positions limit it further.</summary>
    public int? MaxNewTokens { get; init; }

    /// <summary>
    /// Maximum length of a sequence, prompt and its padding included. Used only if <see cref="MaxNewTokens"/> is null and, unless this is set, the model's file does
    /// not set it either.
    /// </summary>
    public int? MaxLength { get; init; }

    /// <summary>Minimum number of new tokens before an end-of-sequence token; 0 by default.</summary>
    public int? MinNewTokens { get; init; }

    /// <summary>Minimum length of a sequence, prompt included, before an end-of-sequence token; 0 by default.</summary>
    public int? MinLength { get; init; }

    /// <summary>True to sample the next token, false for the most likely one; false by default.</summary>
    public bool? DoSample { get; init; }

    /// <summary>Temperature: logits are divided by it before sampling; 1 by default. Must be above 0.</summary>
    public double? Temperature { get; init; }

    /// <summary>Top-k sampling: samples only from the k most likely tokens; 50 by default, 0 for all.</summary>
    public int? TopK { get; init; }

    /// <summary>Top-p (nucleus) sampling: samples only from the most likely tokens whose probabilities sum to p (Holtzman et al. 2020, arXiv:1904.09751); 1 (all) by default.</summary>
    public double? TopP { get; init; }

    /// <summary>Min-p sampling: samples only from tokens with at least this fraction of the highest probability (Nguyen et al. 2024, arXiv:2407.01082); 0 (all) by default.</summary>
    public double? MinP { get; init; }

    /// <summary>
    /// Locally typical sampling: samples only from the tokens whose information content is closest to the entropy, until their probabilities sum to this (Meister et al. 2022,
    /// arXiv:2202.00666); 1 (all) by default.
    /// </summary>
    public double? TypicalP { get; init; }

    /// <summary>Epsilon sampling: samples only from tokens with at least this probability (Hewitt et al. 2022, arXiv:2210.15191); 0 (all) by default.</summary>
    public double? EpsilonCutoff { get; init; }

    /// <summary>Eta sampling: like <see cref="EpsilonCutoff"/> with the bound min(η, √η·e^−entropy) (the same paper); 0 (all) by default.</summary>
    public double? EtaCutoff { get; init; }

    /// <summary>
    /// Logits of tokens that have already occurred, prompt included, are divided by this if positive and multiplied by it if negative (Keskar et al. 2019,
    /// arXiv:1909.05858); 1 (none) by default.
    /// </summary>
    public double? RepetitionPenalty { get; init; }

    /// <summary>Favors tokens of the prompt by this factor: their logits are multiplied by it if positive and divided by it if negative; 1 (none) by default.</summary>
    public double? EncoderRepetitionPenalty { get; init; }

    /// <summary>Size of n-grams that must not occur twice, prompt included; 0 (no restriction) by default.</summary>
    public int? NoRepeatNGramSize { get; init; }

    /// <summary>Size of n-grams of the prompt that must not be generated; 0 (no restriction) by default.</summary>
    public int? EncoderNoRepeatNGramSize { get; init; }

    /// <summary>Token sequences that must not be generated; none by default.</summary>
    public IReadOnlyList<IReadOnlyList<int>>? BadWords { get; init; }

    /// <summary>Biases of token sequences, added to the score of the last token if the others precede it; none by default.</summary>
    public IReadOnlyList<TokenBias>? SequenceBias { get; init; }

    /// <summary>Tokens that are never generated; none by default.</summary>
    public IReadOnlyList<int>? SuppressTokens { get; init; }

    /// <summary>Tokens that are not generated as the first new token; none by default.</summary>
    public IReadOnlyList<int>? BeginSuppressTokens { get; init; }

    /// <summary>The token that is forced after a single first token, such as the start token of an encoder-decoder model; none by default.</summary>
    public int? ForcedBosTokenId { get; init; }

    /// <summary>The tokens of which one is forced as the last token when the maximum length is reached; none by default.</summary>
    public IReadOnlyList<int>? ForcedEosTokenIds { get; init; }

    /// <summary>Increases the scores of end-of-sequence tokens after a start index, by |score|·(factor^(new tokens − start) − 1); none by default.</summary>
    public LengthDecay? ExponentialDecayLengthPenalty { get; init; }

    /// <summary>True to replace NaN and infinite logits by finite values; false by default.</summary>
    public bool? RemoveInvalidValues { get; init; }

    /// <summary>True to normalize scores to log-probabilities after all processors, which matters for beam search; false by default.</summary>
    public bool? RenormalizeLogits { get; init; }

    /// <summary>Additional logits processors, in order. They run after all of the above, but before temperature and the filters for sampling.</summary>
    public IReadOnlyList<ILogitsProcessor> LogitsProcessors { get; init; } = [];

    /// <summary>Number of beams; 1 (no beam search) by default.</summary>
    public int? NumBeams { get; init; }

    /// <summary>
    /// Length penalty of beam search: the sum of log-probabilities is divided by the number of new tokens to this power. Above 0 it favors long sequences, below 0
    /// short ones; 1 by default.
    /// </summary>
    public double? LengthPenalty { get; init; }

    /// <summary>Stopping condition of a beam search; <see cref="EarlyStopping.Heuristic"/> by default.</summary>
    public EarlyStopping? EarlyStopping { get; init; }

    /// <summary>Number of sequences per prompt, sampled or the best of a beam search; 1 by default. In results the sequences of a prompt are adjacent.</summary>
    public int? NumReturnSequences { get; init; }

    /// <summary>Tokens that end a sequence; the model's end-of-sequence tokens by default.</summary>
    public IReadOnlyList<int>? EndTokenIds { get; init; }

    /// <summary>The token that pads shorter rows of a batch; by default the model's padding token, or else its end-of-sequence token, or else 0.</summary>
    public int? PadTokenId { get; init; }

    /// <summary>Strings that end a sequence. They require a tokenizer. The returned text ends before them. None by default.</summary>
    public IReadOnlyList<string>? StopStrings { get; init; }

    /// <summary>Seed for sampling; null for a random seed.</summary>
    public long? Seed { get; init; }

    /// <summary>True to use <c>generation_config.json</c> for options that are null. If false, only its padding and end-of-sequence tokens are used.</summary>
    public bool UseModelDefaults { get; init; } = true;
}
