using System.Text.Json.Nodes;
using Peft.Tokenizers;

namespace Peft;

/// <summary>
/// Trains byte-pair encoding (Sennrich et al. 2016, arXiv:1508.07909): starting from characters, repeatedly merges the most frequent pair of adjacent tokens
/// into a new token. By default on bytes, as GPT-2. The result equals the vocabulary and merges of Hugging Face's trainer.
/// </summary>
/// <remarks>
/// Pairs wait in a priority queue whose entries are updated when they are dequeued, and a merge changes only the words that contain the pair: O(n·log n) for n characters of distinct
/// words, however often each occurs. Of equally frequent pairs, the one with lower ids merges first. Hugging Face's order is random in two cases. Here, characters with an affix
/// get their ids in ordinal order, and of equally rare characters <see cref="LimitAlphabet"/> keeps those with lower code points.
/// </remarks>
public sealed record BpeTrainer : TokenizerTrainer
{
    /// <summary>Creates a trainer for GPT-2's byte-level encoding with the special token <c>&lt;|endoftext|&gt;</c>.</summary>
    public BpeTrainer()
    {
        Parts = TokenizerParts.ByteLevel();
        SpecialTokens = ["<|endoftext|>"];
        Roles = new() { BeginOfSequence = "<|endoftext|>", EndOfSequence = "<|endoftext|>" };
    }

    /// <summary>Pairs that occur less often do not become tokens. 0 by default, as in Hugging Face's trainer, which is the same as 1.</summary>
    public long MinFrequency { get; init; }

    /// <summary>Maximum number of characters that are tokens, by frequency; null for all. Others are unknown.</summary>
    public int? LimitAlphabet { get; init; }

    /// <summary>Prefix of tokens that do not begin a word, such as <c>##</c>; empty for none.</summary>
    public string ContinuingSubwordPrefix { get; init => field = value ?? throw new ArgumentNullException(nameof(value)); } = "";

    /// <summary>Suffix of tokens that end a word, such as <c>&lt;/w&gt;</c>; empty for none.</summary>
    public string EndOfWordSuffix { get; init => field = value ?? throw new ArgumentNullException(nameof(value)); } = "";

    /// <summary>Tokens of three or more characters have fewer characters than this, as in Hugging Face's trainer; null for no limit.</summary>
    public int? MaxTokenLength { get; init; }

    private protected override JsonObject TrainModel(IReadOnlyList<WordCount> words, CancellationToken cancellationToken)
    {
        var training = Run(words, cancellationToken);
        return new()
        {
            ["type"] = "BPE",
            ["dropout"] = null,
            ["unk_token"] = Roles.Unknown,
            ["continuing_subword_prefix"] = ContinuingSubwordPrefix.Length > 0 ? ContinuingSubwordPrefix : null,
            ["end_of_word_suffix"] = EndOfWordSuffix.Length > 0 ? EndOfWordSuffix : null,
            ["fuse_unk"] = false,
            ["byte_fallback"] = false,
            ["ignore_merges"] = false,
            ["vocab"] = training.Vocabulary(),
            ["merges"] = new JsonArray([.. training.Merges().Select(pair => new JsonArray(pair.Left, pair.Right))]),
        };
    }

    /// <summary>Trains on words with their frequencies.</summary>
    internal BpeTraining Run(IReadOnlyList<WordCount> words, CancellationToken cancellationToken)
    {
        var training = new BpeTraining(this, words);
        if (training.Count > VocabularySize) throw TooSmall(training.Count);
        training.Merge(cancellationToken);
        return training;
    }

    private protected override void Validate()
    {
        base.Validate();
        if (MinFrequency < 0) throw new TokenizerException($"{nameof(MinFrequency)} is {MinFrequency}, but must be at least 0.");
        if (LimitAlphabet < 1) throw new TokenizerException($"{nameof(LimitAlphabet)} is {LimitAlphabet}, but must be at least 1.");
        if (MaxTokenLength < 1) throw new TokenizerException($"{nameof(MaxTokenLength)} is {MaxTokenLength}, but must be at least 1.");
    }
}
