namespace Peft.Models;

/// <summary>
/// Everything that tells one transformer from another: a decoder, an encoder, or a decoder that reads an encoder. An architecture is a
/// function from <see cref="ModelConfig"/> to this record; the modules exist once.
/// </summary>
public sealed record TransformerSpec
{
    /// <summary>The parameters' names.</summary>
    public required TransformerNames Names { get; init; }

    /// <summary>Whether a position sees the earlier ones only: true for decoders, false for encoders.</summary>
    public bool Causal { get; init; } = true;

    /// <summary>The encoder whose states every layer reads by cross-attention (T5); null if the model is one stack.</summary>
    public TransformerSpec? Encoder { get; init; }

    /// <summary>What the stacks are.</summary>
    public TransformerKind Kind => Encoder is not null ? TransformerKind.EncoderDecoder : Causal ? TransformerKind.Decoder : TransformerKind.Encoder;

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

    /// <summary>Whether norms stand after the sums, norm(x + f(x)), instead of before attention and feed-forward network (BERT). There is then none after the last layer.</summary>
    public bool PostNorm { get; init; }

    /// <summary>Whether a norm goes over the embeddings (BERT).</summary>
    public bool EmbeddingNorm { get; init; }

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

    /// <summary>Whether the scores of layer i, counted from 1, are divided by i (GPT-2's <c>scale_attn_by_inverse_layer_idx</c>).</summary>
    public bool DividesScoresByLayer { get; init; }

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

    /// <summary>Rotary position embeddings; null if positions are learned or relative.</summary>
    public RotarySettings? Rotary { get; init; }

    /// <summary>Rotary position embeddings of layers with a window, where they differ (Gemma 3).</summary>
    public RotarySettings? WindowRotary { get; init; }

    /// <summary>Learned positions: how many rows come before position 0; null if there are none (OPT has 2).</summary>
    public int? LearnedPositionOffset { get; init; }

    /// <summary>How positions are counted where the input does not give them.</summary>
    public PositionRule Positions { get; init; }

    /// <summary>The padding token, where positions do not count it.</summary>
    public int? PaddingId { get; init; }

    /// <summary>A learned bias on the scores by the distance of query and key (T5); null for none.</summary>
    public RelativePositions? RelativePositions { get; init; }

    /// <summary>Rows of the embedding of token types, added to that of the tokens; 0 for none.</summary>
    public int TokenTypeCount { get; init; }

    /// <summary>Keys that a query sees, itself included, per layer; null for all earlier ones. One entry per layer, or empty for no windows.</summary>
    public IReadOnlyList<int?> Windows { get; init; } = [];

    /// <summary>Factor of the token embeddings (Gemma: √hidden).</summary>
    public double EmbeddingScale { get; init; } = 1;

    /// <summary>Whether the factor belongs to looking tokens up, so that embeddings given in their place are left alone.</summary>
    public bool ScalesAtLookup { get; init; }

    /// <summary>Logits z become c·tanh(z/c); null for none.</summary>
    public double? LogitSoftCap { get; init; }

    /// <summary>Factor of the hidden states before the language-model head (T5: 1/√hidden).</summary>
    public double HeadScale { get; init; } = 1;

    /// <summary>Whether the head's weight is the token embedding.</summary>
    public bool TiedHead { get; init; }

    /// <summary>Dropout on embeddings, in training.</summary>
    public double EmbeddingDropout { get; init; }

    /// <summary>Dropout on attention weights, in training.</summary>
    public double AttentionDropout { get; init; }

    /// <summary>Dropout on what attention and feed-forward network add to the residual stream, in training.</summary>
    public double ResidualDropout { get; init; }

    /// <summary>Dropout on what attention adds, where it differs from <see cref="ResidualDropout"/> (DistilBERT has none).</summary>
    public double? AttentionOutputDropout { get; init; }

    /// <summary>Dropout after the feed-forward network's activation, in training (T5).</summary>
    public double FeedForwardDropout { get; init; }

    /// <summary>Dropout after the last norm, in training (T5).</summary>
    public double FinalDropout { get; init; }

    /// <summary>The head that classifies a sequence.</summary>
    public HeadSpec Classifier { get; init; } = new() { Output = "score", OutputBias = false };

    /// <summary>The head that classifies each token.</summary>
    public HeadSpec TokenClassifier { get; init; } = new() { Output = "score" };

    /// <summary>Path of the model without its head in a <see cref="Models.SequenceClassifier"/>, where it is not <see cref="TransformerNames.Base"/> (T5).</summary>
    public string? ClassifyingBase { get; init; }

    /// <summary>Path of the model without its head in a <see cref="Models.QuestionAnswerer"/>, where it is not <see cref="TransformerNames.Base"/> (Llama).</summary>
    public string? AnsweringBase { get; init; }

    /// <summary>The head that tells where an answer begins and ends; null if the architecture has none.</summary>
    public HeadSpec? QuestionAnswerer { get; init; } = new() { Output = "qa_outputs" };

    /// <summary>The head that fills in masked tokens, tied to the token embedding; null if the model has none.</summary>
    public HeadSpec? MaskedHead { get; init; }

    /// <summary>Whether fresh weights have the standard deviation 1/√inputs, as T5's, instead of one for all.</summary>
    public bool FanInInit { get; init; }

    /// <summary>Whether a fresh model's residual projections are scaled by 1/√(2·layers) (GPT-2).</summary>
    public bool ScaledResidualInit { get; init; }

    /// <summary>Whether layers with a window hold no more of a prefix than the window shows, as transformers' hybrid caches do. It matters to padding alone, which sees nothing and averages what is held.</summary>
    internal bool CutsPrefixes { get; init; }

    internal double ScoreFactor(int layer) => (AttentionScale ?? 1 / Math.Sqrt(HeadSize)) / (DividesScoresByLayer ? layer + 1 : 1);

    internal int? Window(int layer) => Windows.Count == 0 ? null : Windows[layer];
}

/// <summary>What the stacks of a transformer are.</summary>
public enum TransformerKind
{
    /// <summary>One stack in which a position sees the earlier ones.</summary>
    Decoder,

    /// <summary>One stack in which a position sees all.</summary>
    Encoder,

    /// <summary>A decoder that reads an encoder's states.</summary>
    EncoderDecoder,
}

/// <summary>How the positions of a sequence are counted.</summary>
public enum PositionRule
{
    /// <summary>From each row's first real token on.</summary>
    FromFirstToken,

    /// <summary>Real tokens by the attention mask, also when padding stands on the right (OPT).</summary>
    RealTokens,

    /// <summary>Tokens that are not the padding token, whatever the attention mask says (RoBERTa).</summary>
    TokensButPadding,

    /// <summary>All, padding included (BERT).</summary>
    All,
}

/// <summary>A bias per head by the distance of query and key, in buckets that widen with the distance (Raffel et al. 2019, arXiv:1910.10683).</summary>
/// <param name="Buckets">Number of buckets.</param>
/// <param name="MaxDistance">From this distance on all lie in the last bucket.</param>
public sealed record RelativePositions(int Buckets, int MaxDistance);

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
