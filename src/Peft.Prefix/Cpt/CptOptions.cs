using System.ComponentModel;
using System.Text.Json.Serialization;
using Peft.Prefix;

namespace Peft;

/// <summary>How the labels inside the prompt of CPT are weighed.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<CptLossWeights>))]
[TypeConverter(typeof(EnumNames<CptLossWeights>))]
public enum CptLossWeights
{
    /// <summary>All alike.</summary>
    [JsonStringEnumMemberName("none")] None,

    /// <summary>The later the more, by powers of <see cref="CptOptions.DecayFactor"/>.</summary>
    [JsonStringEnumMemberName("decay")] Decay,
}

/// <summary>
/// Context-aware prompt tuning (Blau et al. 2024, arXiv:2410.17222): examples stand before the input, their embeddings learn within small
/// balls around where they were, and the answers in the examples count in the loss. For causal language models.
/// </summary>
[MethodDescription("Context-aware prompt tuning", "x ← [E + D; x], ‖Dᵢ‖ ≤ εᵢ", "Blau et al. 2024, arXiv:2410.17222")]
[LearningRate(1e-3)]
public sealed record CptOptions() : PromptOptions("CPT")
{
    /// <summary>Token ids of the examples.</summary>
    [JsonPropertyName("cpt_token_ids")] public IReadOnlyList<int>? TokenIds { get; init; }

    /// <summary>Kept for Hugging Face's readers. It has no effect there either.</summary>
    [JsonPropertyName("cpt_mask")] public IReadOnlyList<int>? Mask { get; init; }

    /// <summary>
    /// What each token is. Of an example's number n, from 0: 4n + 1 the words before the input, 4n + 2 the input, 4n + 3 the words before the
    /// answer, 4n + 4 the answer; 0 for a token that is none of these. All 1 if null.
    /// </summary>
    [JsonPropertyName("cpt_tokens_type_mask")] public IReadOnlyList<int>? TokenTypes { get; init; }

    /// <summary>Weights of the answers in the loss.</summary>
    [JsonPropertyName("opt_weighted_loss_type")] public CptLossWeights LossWeights { get; init; }

    /// <summary>What the weight of an answer is multiplied by for each answer after it, where weights decay.</summary>
    [JsonPropertyName("opt_loss_decay_factor")] public double DecayFactor { get; init; } = 1;

    /// <summary>How far the embedding of an input token may go, for a model of width 2,048: it is multiplied by √(width ÷ 2048).</summary>
    [JsonPropertyName("opt_projection_epsilon")] public double InputRadius { get; init; } = 0.1;

    /// <summary>How far the embedding of the words around inputs and answers may go.</summary>
    [JsonPropertyName("opt_projection_format_epsilon")] public double FormatRadius { get; init; } = 0.1;

    /// <summary>The tokenizer that a reader in Python takes.</summary>
    [JsonPropertyName("tokenizer_name_or_path")] public string? TokenizerName { get; init; }

    /// <summary>Options for examples.</summary>
    /// <param name="examples">Inputs with their answers.</param>
    /// <param name="tokenizer">The model's tokenizer.</param>
    /// <param name="beforeInput">Words before each input.</param>
    /// <param name="beforeAnswer">Words between an input and its answer.</param>
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
                // What a text begins with stands once.
                var added = tokenizer.Encode(text, addSpecialTokens: ids.Count == 0);
                ids.AddRange(added);
                types.AddRange(added.Select(_ => first + part));
            }
        }
        return new() { TokenIds = ids, TokenTypes = types };
    }

    /// <inheritdoc/>
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

    /// <inheritdoc/>
    protected override PromptOptions Sized(PromptShape shape)
    {
        ArgumentNullException.ThrowIfNull(shape);
        if (!shape.IsCausal) throw new AdapterOptionsException("CPT weighs the loss of predicting the next token: it is for causal language models only.");
        var ones = Enumerable.Repeat(1, TokenIds!.Count).ToArray();
        return base.Sized(shape) is CptOptions own ? own with { VirtualTokens = TokenIds.Count, Mask = Mask ?? ones, TokenTypes = TokenTypes ?? ones } : this;
    }

    /// <inheritdoc/>
    protected override PromptLayer Create(ModelTree model) => new CptLayer(model, this);
}
