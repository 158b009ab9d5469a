using System.Text.Json.Nodes;
using Peft.Tokenizers;

namespace Peft;

/// <summary>
/// Trains BERT's WordPiece vocabulary (Devlin et al. 2019, arXiv:1810.04805). As in Hugging Face's trainer, the tokens are those of byte-pair encoding with
/// the prefix <c>##</c>; words are then split by longest match.
/// </summary>
/// <remarks>The complexity and the order of equally frequent pairs are those of <see cref="BpeTrainer"/>.</remarks>
public sealed record WordPieceTrainer : TokenizerTrainer
{
    /// <summary>Creates a trainer for BERT's uncased tokenizer with its five special tokens.</summary>
    public WordPieceTrainer()
    {
        Parts = TokenizerParts.Bert();
        SpecialTokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
        Roles = new() { Padding = "[PAD]", Unknown = "[UNK]", Classifier = "[CLS]", Separator = "[SEP]", Mask = "[MASK]" };
    }

    /// <summary>Pairs that occur less often do not become tokens. 0 by default, as in Hugging Face's trainer, which is the same as 1.</summary>
    public long MinFrequency { get; init; }

    /// <summary>Maximum number of characters that are tokens, by frequency; null for all. Words with others are unknown.</summary>
    public int? LimitAlphabet { get; init; }

    /// <summary>Prefix of tokens that do not begin a word. <c>##</c> by default.</summary>
    public string ContinuingSubwordPrefix { get; init => field = value ?? throw new ArgumentNullException(nameof(value)); } = "##";

    /// <summary>Maximum number of characters of a word; longer words are unknown. 100 by default.</summary>
    public int MaxWordLength { get; init; } = 100;

    private protected override JsonObject TrainModel(IReadOnlyList<WordCount> words, CancellationToken cancellationToken)
    {
        var trainer = new BpeTrainer
        {
            VocabularySize = VocabularySize,
            SpecialTokens = SpecialTokens,
            Parts = Parts,
            InitialAlphabet = InitialAlphabet,
            MinFrequency = MinFrequency,
            LimitAlphabet = LimitAlphabet,
            ContinuingSubwordPrefix = ContinuingSubwordPrefix,
        };
        return new()
        {
            ["type"] = "WordPiece",
            ["unk_token"] = Roles.Unknown,
            ["continuing_subword_prefix"] = ContinuingSubwordPrefix,
            ["max_input_chars_per_word"] = MaxWordLength,
            ["vocab"] = trainer.Run(words, cancellationToken).Vocabulary(),
        };
    }

    private protected override void Validate()
    {
        base.Validate();
        if (Roles.Unknown is null) throw new TokenizerException($"WordPiece requires an unknown token: set {nameof(Roles)}.{nameof(SpecialTokenRoles.Unknown)}.");
        if (MinFrequency < 0) throw new TokenizerException($"{nameof(MinFrequency)} is {MinFrequency}, but must be at least 0.");
        if (LimitAlphabet < 1) throw new TokenizerException($"{nameof(LimitAlphabet)} is {LimitAlphabet}, but must be at least 1.");
        if (MaxWordLength < 1) throw new TokenizerException($"{nameof(MaxWordLength)} is {MaxWordLength}, but must be at least 1.");
    }
}
