namespace Peft;

/// <summary>
/// Context-aware prompt tuning (Blau et al. 2024, arXiv:2410.17222): examples are prepended to the input. Their embeddings are trained within
/// small balls around their initial values, and the examples' answers count in the loss. For causal language models.
/// </summary>
[MethodDescription("Context-aware prompt tuning", "x ← [E + D; x], ‖Dᵢ‖ ≤ εᵢ", "Blau et al. 2024, arXiv:2410.17222")]
[LearningRate(1e-3)]
public sealed record CptOptions() : PromptOptions("CPT")
{
    /// <summary>Token ids of the examples.</summary>
    [JsonPropertyName("cpt_token_ids")] public IReadOnlyList<int>? TokenIds { get; init; }

    /// <summary>Preserved for Hugging Face PEFT, where it has no effect either.</summary>
    [JsonPropertyName("cpt_mask")] public IReadOnlyList<int>? Mask { get; init; }

    /// <summary>
    /// Type of each token. In example n, counted from 0: 4n + 1 for the text before the input, 4n + 2 for the input, 4n + 3 for the text before
    /// the answer, 4n + 4 for the answer. 0 for any other token. If null, all types are 1.
    /// </summary>
    [JsonPropertyName("cpt_tokens_type_mask")] public IReadOnlyList<int>? TokenTypes { get; init; }

    /// <summary>Weighting of the answers in the loss.</summary>
    [JsonPropertyName("opt_weighted_loss_type")] public CptLossWeights LossWeights { get; init; }

    /// <summary>Factor on the weight of an answer for each later answer, with <see cref="CptLossWeights.Decay"/>.</summary>
    [JsonPropertyName("opt_loss_decay_factor")] public double DecayFactor { get; init; } = 1;

    /// <summary>
    /// Maximum distance of an input token's embedding from its initial value, for a model of width 2,048. It is multiplied by √(width ÷ 2048).
    /// </summary>
    [JsonPropertyName("opt_projection_epsilon")] public double InputRadius { get; init; } = 0.1;

    /// <summary>
    /// Maximum distance of the embeddings of the text around inputs and answers from their initial values, scaled like <see cref="InputRadius"/>.
    /// </summary>
    [JsonPropertyName("opt_projection_format_epsilon")] public double FormatRadius { get; init; } = 0.1;

    /// <summary>Tokenizer that a Python reader loads.</summary>
    [JsonPropertyName("tokenizer_name_or_path")] public string? TokenizerName { get; init; }

    /// <summary>Creates options from examples.</summary>
    /// <param name="examples">Inputs with their answers.</param>
    /// <param name="tokenizer">The model's tokenizer.</param>
    /// <param name="beforeInput">Text before each input.</param>
    /// <param name="beforeAnswer">Text between an input and its answer.</param>
    public static CptOptions FromExamples(IEnumerable<(string Input, string Answer)> examples, ITokenizer tokenizer, string beforeInput = "Input: ", string beforeAnswer = "\nOutput: ")
    {
        ArgumentNullException.ThrowIfNull(examples);
        ArgumentNullException.ThrowIfNull(tokenizer);
        var (ids, types) = (new List<int>(), new List<int>());
        foreach (var (input, answer) in examples)
        {
            var first = types.Count == 0 ? 1 : types[^1] + 1;
            foreach (var (text, part) in new[] { beforeInput, input, beforeAnswer, answer + "\n" }.Select((text, part) => (text, part)))
            {
                // Special tokens are added only once, at the beginning.
                var added = tokenizer.Encode(text, addSpecialTokens: ids.Count == 0);
                ids.AddRange(added);
                types.AddRange(added.Select(_ => first + part));
            }
        }
        return new() { TokenIds = ids, TokenTypes = types };
    }

    protected override IEnumerable<string> Errors()
    {
        if (TokenIds is not { Count: > 0 })
        {
            yield return "TokenIds must hold the examples' tokens, but is empty.";
            yield break;
        }
        if ((TokenTypes?.Count ?? TokenIds.Count) != TokenIds.Count) yield return $"TokenTypes must have one entry for each of the {TokenIds.Count} tokens, but has {TokenTypes!.Count}.";
        if ((Mask?.Count ?? TokenIds.Count) != TokenIds.Count) yield return $"Mask must have one entry for each of the {TokenIds.Count} tokens, but has {Mask!.Count}.";
        if (VirtualTokens is { } tokens && tokens != TokenIds.Count) yield return $"VirtualTokens is {tokens}, but there are {TokenIds.Count} token ids: leave it out.";
        if (InputRadius < 0 || FormatRadius < 0) yield return $"InputRadius and FormatRadius must not be negative, but were {InputRadius} and {FormatRadius}.";
    }

    protected override PromptOptions Sized(PromptShape shape)
    {
        ArgumentNullException.ThrowIfNull(shape);
        if (!shape.IsCausal) throw new AdapterOptionsException("CPT weights the next-token loss: it is for causal language models only.");
        var ones = Enumerable.Repeat(1, TokenIds!.Count).ToArray();
        return base.Sized(shape) is CptOptions own ? own with { VirtualTokens = TokenIds.Count, Mask = Mask ?? ones, TokenTypes = TokenTypes ?? ones } : this;
    }

    protected override PromptLayer Create(ModelTree model) => new CptLayer(model, this);
}
