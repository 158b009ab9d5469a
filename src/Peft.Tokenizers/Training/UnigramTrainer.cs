using System.Text.Json.Nodes;
using Peft.Tokenizers;

namespace Peft;

/// <summary>
/// Trains SentencePiece's unigram language model (Kudo 2018, arXiv:1804.10959): estimates the probabilities of many candidate pieces by
/// expectation maximization, and removes the pieces that contribute least to the likelihood, until the vocabulary has the requested size.
/// </summary>
/// <remarks>
/// The pieces are those of Hugging Face's trainer, with the same scores up to rounding. What differs between runs of that trainer is fixed here: the order, and so the ids, of pieces
/// with equal scores, and which of the characters that the model dropped gets which of the lowest scores.
/// Finding the candidates takes O(n·log n) for n characters of distinct words; each of the few iterations takes O(n·m), where m is <see cref="MaxPieceLength"/>.
/// </remarks>
public sealed record UnigramTrainer : TokenizerTrainer
{
    /// <summary>Creates a trainer with SentencePiece's components and special tokens, and 8,000 pieces.</summary>
    public UnigramTrainer()
    {
        VocabularySize = 8000;
        Parts = TokenizerParts.Metaspace();
        SpecialTokens = ["<unk>", "<s>", "</s>"];
        Roles = new() { Unknown = "<unk>", BeginOfSequence = "<s>", EndOfSequence = "</s>" };
    }

    /// <summary>Maximum number of characters of a piece. 16 by default.</summary>
    public int MaxPieceLength { get; init; } = 16;

    /// <summary>Fraction of the pieces that each pruning step keeps. 0.75 by default.</summary>
    public double ShrinkingFactor { get; init; } = 0.75;

    /// <summary>Number of iterations of expectation maximization before each pruning step. 2 by default.</summary>
    public int SubIterations { get; init; } = 2;

    /// <summary>Maximum number of candidates. 1,000,000 by default.</summary>
    public int SeedSize { get; init; } = 1_000_000;

    private protected override JsonObject TrainModel(IReadOnlyList<WordCount> words, CancellationToken cancellationToken)
    {
        var training = new UnigramTraining(this, words);
        if (SpecialTokens.Count + training.Characters.Count > VocabularySize) throw TooSmall(SpecialTokens.Count + training.Characters.Count);
        var pieces = training.Run(cancellationToken);
        return new()
        {
            ["type"] = "Unigram",
            ["unk_id"] = Roles.Unknown is { } unknown ? SpecialTokens.ToList().IndexOf(unknown) : null,
            ["vocab"] = new JsonArray([.. SpecialTokens.Select(token => new JsonArray(token, 0.0)), .. pieces.Select(piece => new JsonArray(piece.Piece, piece.Score))]),
            ["byte_fallback"] = false,
        };
    }

    private protected override void Validate()
    {
        base.Validate();
        if (MaxPieceLength < 1) throw new TokenizerException($"{nameof(MaxPieceLength)} is {MaxPieceLength}, but must be at least 1.");
        if (!(ShrinkingFactor is > 0 and < 1)) throw new TokenizerException($"{nameof(ShrinkingFactor)} is {ShrinkingFactor}, but must be between 0 and 1: each pruning step keeps this fraction of the pieces.");
        if (SubIterations < 1) throw new TokenizerException($"{nameof(SubIterations)} is {SubIterations}, but must be at least 1.");
        if (SeedSize < 1) throw new TokenizerException($"{nameof(SeedSize)} is {SeedSize}, but must be at least 1.");
    }
}
