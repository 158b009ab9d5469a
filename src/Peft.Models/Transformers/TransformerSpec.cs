namespace Peft.Models;

/// <summary>
/// Describes the architecture of a transformer: a decoder, an encoder, or an encoder-decoder model. An architecture is a
/// function from <see cref="ModelConfig"/> to this record. All architectures share the same modules.
/// </summary>
public sealed record TransformerSpec
{
    /// <summary>The names of the modules.</summary>
    public required TransformerNames Names { get; init; }

    /// <summary>True if a position attends only to earlier ones and itself (decoders), false if it attends to all (encoders).</summary>
    public bool Causal { get; init; } = true;

    /// <summary>The encoder whose output every layer reads by cross-attention (T5); null if the model is a single stack.</summary>
    public TransformerSpec? Encoder { get; init; }

    /// <summary>The type of transformer.</summary>
    public TransformerKind Kind => Encoder is not null ? TransformerKind.EncoderDecoder : Causal ? TransformerKind.Decoder : TransformerKind.Encoder;

    /// <summary>Number of rows of the token embedding.</summary>
    public required int VocabularySize { get; init; }

    /// <summary>Width of the residual stream.</summary>
    public required int HiddenSize { get; init; }

    /// <summary>Width of the embeddings, if it differs from the hidden size: they are projected to it (ELECTRA).</summary>
    public int? EmbeddingSize { get; init; }

    /// <summary>Number of layers that run.</summary>
    public required int LayerCount { get; init; }

    /// <summary>For each layer that runs, the index of the one whose weights it has (ALBERT); empty if each has its own.</summary>
    public IReadOnlyList<int> SharedLayers { get; init; } = [];

    /// <summary>Number of layers in each entry of the list of layers (<see cref="TransformerNames.InnerLayers"/>).</summary>
    public int InnerLayerCount { get; init; } = 1;

    /// <summary>Number of query heads.</summary>
    public required int HeadCount { get; init; }

    /// <summary>Number of key/value heads; divides <see cref="HeadCount"/>.</summary>
    public required int KeyValueHeadCount { get; init; }

    /// <summary>Number of dimensions of a head.</summary>
    public required int HeadSize { get; init; }

    /// <summary>Width of the feed-forward network.</summary>
    public required int IntermediateSize { get; init; }

    /// <summary>Maximum sequence length that the model was trained for. It is a hard limit if positions are learned.</summary>
    public required int MaxPositions { get; init; }

    /// <summary>The feed-forward network's activation.</summary>
    public required Activation Activation { get; init; }

    /// <summary>Type of the norms: RMS norm or layer norm.</summary>
    public NormKind Norm { get; init; } = NormKind.Rms;

    /// <summary>True for post-norm, norm(x + f(x)), as in BERT; false for pre-norm. With post-norm there is no norm after the last layer.</summary>
    public bool PostNorm { get; init; }

    /// <summary>True if the embeddings are normalized (BERT).</summary>
    public bool EmbeddingNorm { get; init; }

    /// <summary>ε of the norms, added to the variance (or mean square).</summary>
    public double NormEpsilon { get; init; } = 1e-6;

    /// <summary>Offset added to a norm's weight: 1 for Gemma.</summary>
    public double NormOffset { get; init; }

    /// <summary>True if layer norms have a bias.</summary>
    public bool NormBias { get; init; } = true;

    /// <summary>True if the attention of the first layer reads the normalized embeddings as they are (ModernBERT).</summary>
    public bool SkipsFirstNorm { get; init; }

    /// <summary>True if attention and feed-forward network read their inputs as they are, and only their outputs are normalized (OLMo 2).</summary>
    public bool NormsOutputsOnly { get; init; }

    /// <summary>True if weights of projections are stored transposed, as [in, out] (GPT-2).</summary>
    public bool TransposedProjections { get; init; }

    /// <summary>The layout of the query, key and value projections.</summary>
    public ProjectionLayout AttentionProjections { get; init; } = ProjectionLayout.Separate;

    /// <summary>True if query, key and value projections have a bias.</summary>
    public bool AttentionBias { get; init; }

    /// <summary>True if the attention's output projection has a bias.</summary>
    public bool AttentionOutputBias { get; init; }

    /// <summary>How queries and keys are normalized.</summary>
    public HeadNorm QueryKeyNorm { get; init; }

    /// <summary>Factor of the attention scores; null for 1/√<see cref="HeadSize"/>.</summary>
    public double? AttentionScale { get; init; }

    /// <summary>True if the scores of layer i, counted from 1, are divided by i (GPT-2's <c>scale_attn_by_inverse_layer_idx</c>).</summary>
    public bool DividesScoresByLayer { get; init; }

    /// <summary>Soft cap c of the attention scores: s becomes c·tanh(s/c); null for none.</summary>
    public double? AttentionSoftCap { get; init; }

    /// <summary>True if the feed-forward network is gated, down(act(gate(x))·up(x)); false for down(act(up(x))).</summary>
    public bool GatedFeedForward { get; init; }

    /// <summary>True if gate and up projections are joined into one.</summary>
    public bool FusedGate { get; init; }

    /// <summary>True if the feed-forward network's projections have a bias.</summary>
    public bool FeedForwardBias { get; init; }

    /// <summary>True if attention and feed-forward network both read the layer's input and both outputs are added to it (GPT-NeoX).</summary>
    public bool ParallelResidual { get; init; }

    /// <summary>True if, with <see cref="ParallelResidual"/>, both read the output of one norm (Phi).</summary>
    public bool SharedNorm { get; init; }

    /// <summary>Factor of the outputs of attention and feed-forward network, before the residual sum (Granite).</summary>
    public double ResidualScale { get; init; } = 1;

    /// <summary>Rotary position embeddings; null if positions are learned or relative.</summary>
    public RotarySettings? Rotary { get; init; }

    /// <summary>True for each layer with rotary position embeddings, if some have none (SmolLM3); empty if all have them.</summary>
    public IReadOnlyList<bool> RotaryLayers { get; init; } = [];

    /// <summary>Biases of the attention scores that grow linearly with the position of the key; null for none.</summary>
    public AlibiSettings? Alibi { get; init; }

    /// <summary>Rotary position embeddings of layers with a sliding window, if they differ (Gemma 3).</summary>
    public RotarySettings? WindowRotary { get; init; }

    /// <summary>Number of embedding rows that precede position 0, for learned positions (OPT has 2); null if positions are not learned.</summary>
    public int? LearnedPositionOffset { get; init; }

    /// <summary>How position ids are computed if the input has none.</summary>
    public PositionRule Positions { get; init; }

    /// <summary>The padding token, if position ids skip it.</summary>
    public int? PaddingId { get; init; }

    /// <summary>A learned bias of the scores that depends on the distance between query and key (T5); null for none.</summary>
    public RelativePositions? RelativePositions { get; init; }

    /// <summary>Terms of the scores for the relative positions of contents (DeBERTa); null for none.</summary>
    public DisentangledPositions? Disentangled { get; init; }

    /// <summary>Number of rows of the token type embedding; 0 for none.</summary>
    public int TokenTypeCount { get; init; }

    /// <summary>
    /// Sliding window of each layer: the number of keys that a query attends to, itself included, in encoders on each side; null for full attention. One entry per layer, or empty for no
    /// windows.
    /// </summary>
    public IReadOnlyList<int?> Windows { get; init; } = [];

    /// <summary>Factor of the token embeddings (Gemma: √hidden).</summary>
    public double EmbeddingScale { get; init; } = 1;

    /// <summary>True if the factor applies at the lookup of token ids only, so that embeddings passed as input are not scaled.</summary>
    public bool ScalesAtLookup { get; init; }

    /// <summary>Soft cap c of the logits: z becomes c·tanh(z/c); null for none.</summary>
    public double? LogitSoftCap { get; init; }

    /// <summary>True if the language-model head has a bias (Phi).</summary>
    public bool HeadBias { get; init; }

    /// <summary>Factor of the hidden states before the language-model head (T5: 1/√hidden).</summary>
    public double HeadScale { get; init; } = 1;

    /// <summary>True if the head shares its weight with the token embedding.</summary>
    public bool TiedHead { get; init; }

    /// <summary>Dropout probability of the embeddings.</summary>
    public double EmbeddingDropout { get; init; }

    /// <summary>Dropout probability of the attention weights.</summary>
    public double AttentionDropout { get; init; }

    /// <summary>Dropout probability of the outputs of attention and feed-forward network, before the residual sum.</summary>
    public double ResidualDropout { get; init; }

    /// <summary>Dropout probability of the attention's output, if it differs from <see cref="ResidualDropout"/> (DistilBERT has none).</summary>
    public double? AttentionOutputDropout { get; init; }

    /// <summary>Dropout probability after the feed-forward network's activation (T5).</summary>
    public double FeedForwardDropout { get; init; }

    /// <summary>Dropout probability after the last norm (T5).</summary>
    public double FinalDropout { get; init; }

    /// <summary>The head for sequence classification.</summary>
    public HeadSpec Classifier { get; init; } = new() { Output = "score", OutputBias = false };

    /// <summary>The head for token classification.</summary>
    public HeadSpec TokenClassifier { get; init; } = new() { Output = "score" };

    /// <summary>Path of encoder and decoder in the model; empty if they are registered in it directly (T5).</summary>
    public string StackPath { get; init; } = "";

    /// <summary>True if the decoder's input for labels begins with the last of them, a language code, instead of a start token (mBART).</summary>
    public bool StartsWithLastLabel { get; init; }

    /// <summary>Path of the model without its head in a <see cref="Models.SequenceClassifier"/>, if it is not <see cref="TransformerNames.Base"/> (T5).</summary>
    public string? ClassifyingBase { get; init; }

    /// <summary>Path of the model without its head in a <see cref="Models.QuestionAnswerer"/>, if it is not <see cref="TransformerNames.Base"/> (Llama).</summary>
    public string? AnsweringBase { get; init; }

    /// <summary>The head for question answering; null if the architecture has none.</summary>
    public HeadSpec? QuestionAnswerer { get; init; } = new() { Output = "qa_outputs" };

    /// <summary>The head for masked language modeling, tied to the token embedding; null if the architecture has none.</summary>
    public HeadSpec? MaskedHead { get; init; }

    /// <summary>True if new weights are initialized with the standard deviation 1/√inputs, as in T5, instead of a single one for all.</summary>
    public bool FanInInit { get; init; }

    /// <summary>True if the residual projections of a new model are scaled by 1/√(2·layers) (GPT-2).</summary>
    public bool ScaledResidualInit { get; init; }

    /// <summary>
    /// True if layers with a sliding window see only the part of a prefix inside the window, as with transformers' hybrid caches. It affects only padding, which
    /// attends to nothing and averages all cached keys.
    /// </summary>
    internal bool CutsPrefixes { get; init; }

    internal double ScoreFactor(int layer) => (AttentionScale ?? 1 / Math.Sqrt(HeadSize)) / (DividesScoresByLayer ? layer + 1 : 1);

    internal int? Window(int layer) => Windows.Count == 0 ? null : Windows[layer];

    internal RotarySettings? RotaryAt(int layer) => RotaryLayers.Count > 0 && !RotaryLayers[layer] ? null : Window(layer) is not null && WindowRotary is not null ? WindowRotary : Rotary;
}
