namespace Peft.Models;

/// <summary>
/// Everything that tells one decoder-only transformer from another. An architecture is a function from
/// <see cref="ModelConfig"/> to this record; the modules exist once.
/// </summary>
public sealed record DecoderSpec
{
    /// <summary>The parameters' names.</summary>
    public required DecoderNames Names { get; init; }

    /// <summary>Rows of the token embedding.</summary>
    public required int VocabularySize { get; init; }

    /// <summary>Width of the residual stream.</summary>
    public required int HiddenSize { get; init; }

    /// <summary>Number of layers.</summary>
    public required int LayerCount { get; init; }

    /// <summary>Number of query heads.</summary>
    public required int HeadCount { get; init; }

    /// <summary>Number of key/value heads; divides <see cref="HeadCount"/>.</summary>
    public required int KeyValueHeadCount { get; init; }

    /// <summary>Dimensions of a head.</summary>
    public required int HeadSize { get; init; }

    /// <summary>Width of the feed-forward network.</summary>
    public required int IntermediateSize { get; init; }

    /// <summary>The longest sequence that the model was made for. A limit where positions are learned.</summary>
    public required int MaxPositions { get; init; }

    /// <summary>The feed-forward network's activation.</summary>
    public required Activation Activation { get; init; }

    /// <summary>Kind of the norms: root mean square, or layer norm.</summary>
    public NormKind Norm { get; init; } = NormKind.RootMeanSquare;

    /// <summary>Added to the variance (or mean square) in norms.</summary>
    public double NormEpsilon { get; init; } = 1e-6;

    /// <summary>Added to a norm's weight: 1 for Gemma.</summary>
    public double NormOffset { get; init; }

    /// <summary>Whether projections are stored transposed, as [in, out] (GPT-2).</summary>
    public bool TransposedProjections { get; init; }

    /// <summary>How query, key and value are projected.</summary>
    public ProjectionLayout AttentionProjections { get; init; } = ProjectionLayout.Separate;

    /// <summary>Whether query, key and value projections have a bias.</summary>
    public bool AttentionBias { get; init; }

    /// <summary>Whether the attention's output projection has a bias.</summary>
    public bool AttentionOutputBias { get; init; }

    /// <summary>Whether a norm per head goes over queries and keys.</summary>
    public bool QueryKeyNorm { get; init; }

    /// <summary>Factor of the attention scores; null for 1/√<see cref="HeadSize"/>.</summary>
    public double? AttentionScale { get; init; }

    /// <summary>Scores s become c·tanh(s/c); null for none.</summary>
    public double? AttentionSoftCap { get; init; }

    /// <summary>Whether the feed-forward network is gated: down(act(gate(x))·up(x)), not down(act(up(x))).</summary>
    public bool GatedFeedForward { get; init; }

    /// <summary>Whether gate and up are one projection.</summary>
    public bool FusedGate { get; init; }

    /// <summary>Whether the feed-forward network's projections have a bias.</summary>
    public bool FeedForwardBias { get; init; }

    /// <summary>Whether attention and feed-forward network both read the layer's input, and their outputs are added (GPT-NeoX).</summary>
    public bool ParallelResidual { get; init; }

    /// <summary>Rotary position embeddings; null if positions are learned.</summary>
    public RotarySettings? Rotary { get; init; }

    /// <summary>Rotary position embeddings of layers with a window, where they differ (Gemma 3).</summary>
    public RotarySettings? WindowRotary { get; init; }

    /// <summary>Learned positions: how many rows come before position 0; null if there are none (OPT has 2).</summary>
    public int? LearnedPositionOffset { get; init; }

    /// <summary>Whether positions count real tokens only, also when padding stands on the right (OPT).</summary>
    public bool PositionsFromMask { get; init; }

    /// <summary>Keys that a query sees, itself included, per layer; null for all earlier ones. One entry per layer, or empty for no windows.</summary>
    public IReadOnlyList<int?> Windows { get; init; } = [];

    /// <summary>Factor of the token embeddings (Gemma: √hidden).</summary>
    public double EmbeddingScale { get; init; } = 1;

    /// <summary>Logits z become c·tanh(z/c); null for none.</summary>
    public double? LogitSoftCap { get; init; }

    /// <summary>Whether the head's weight is the token embedding.</summary>
    public bool TiedHead { get; init; }

    /// <summary>Dropout on embeddings, in training.</summary>
    public double EmbeddingDropout { get; init; }

    /// <summary>Dropout on attention weights, in training.</summary>
    public double AttentionDropout { get; init; }

    /// <summary>Dropout on what attention and feed-forward network add to the residual stream, in training.</summary>
    public double ResidualDropout { get; init; }

    /// <summary>Whether a fresh model's residual projections are scaled by 1/√(2·layers) (GPT-2).</summary>
    public bool ScaledResidualInit { get; init; }

    internal int? Window(int layer) => Windows.Count == 0 ? null : Windows[layer];
}

/// <summary>Kind of a norm.</summary>
public enum NormKind
{
    /// <summary>By the root of the mean square, without bias.</summary>
    RootMeanSquare,

    /// <summary>By mean and variance, with bias.</summary>
    Layer,
}

/// <summary>How query, key and value are projected.</summary>
public enum ProjectionLayout
{
    /// <summary>Three projections.</summary>
    Separate,

    /// <summary>One projection: all queries, then all keys, then all values.</summary>
    Joined,

    /// <summary>One projection: per head its query, key and value (GPT-NeoX).</summary>
    JoinedPerHead,
}
