using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>How texts become vectors.</summary>
public sealed record EmbedOptions : PredictionOptions
{
    /// <summary>Which hidden states stand for a text. The mean, as sentence encoders are trained.</summary>
    public Pooling Pooling { get; init; } = Pooling.Mean;

    /// <summary>Whether the vectors get length 1, so that their products are cosines. True.</summary>
    public bool Normalize { get; init; } = true;
}

/// <summary>Vectors of texts, by any decoder or encoder.</summary>
public static class TextEmbedding
{
    /// <summary>A vector for a text.</summary>
    /// <inheritdoc cref="Embed(PretrainedModel, IEnumerable{string}, Tokenizer, EmbedOptions)"/>
    public static float[] Embed(this PretrainedModel model, string text, Tokenizer tokenizer, EmbedOptions? options = null) => model.Embed([text], tokenizer, options)[0];

    /// <summary>A vector for each text: the model's last hidden states, pooled.</summary>
    /// <param name="model">The model, with or without adapters. Its head is left out.</param>
    /// <param name="texts">The texts.</param>
    /// <param name="tokenizer">Its tokenizer.</param>
    /// <param name="options">Pooling, size of batches and length of texts; the defaults if null.</param>
    /// <returns>A vector <c>[hidden]</c> for each text, in the order of the texts.</returns>
    /// <exception cref="ArgumentException">A text is null or has no tokens, or is too long and must not be cut; its number is named.</exception>
    /// <exception cref="NotSupportedException">The model is an encoder with a decoder.</exception>
    public static IReadOnlyList<float[]> Embed(this PretrainedModel model, IEnumerable<string> texts, Tokenizer tokenizer, EmbedOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(texts);
        options ??= new();
        if (model.Spec.Kind == TransformerKind.EncoderDecoder) throw new NotSupportedException($"A {model.Config.ModelType} has two stacks of layers and no one state for a text: embed by an encoder or a decoder.");
        if (!Enum.IsDefined(options.Pooling)) throw new ArgumentOutOfRangeException(nameof(options), options.Pooling, "That is none of the ways to pool.");
        if (model.Spec.Causal && options.Pooling == Pooling.Cls) throw new ArgumentException($"A decoder's first token sees none of the others: use {nameof(Pooling)}.{Pooling.Mean} or {Pooling.Last}.", nameof(options));
        var encoder = new TextEncoder(tokenizer, Prediction.MaxLength(model, tokenizer, options.MaxLength), options.Truncate);
        var rows = texts.Select((text, i) => EncodedText.Of(encoder.Encode(text ?? throw new ArgumentException($"Text {i} is null.", nameof(texts)), null, what => new ArgumentException($"Text {i}: {what}", nameof(texts))))).ToList();
        return Prediction.Run(model, rows, tokenizer, options.BatchSize, input => Vectors(model, input, options), (_, vector) => vector);
    }

    private static Tensor Vectors(PretrainedModel model, ModelInput input, EmbedOptions options)
    {
        using var prompted = PromptedInput.Of(model, input);
        var hidden = prompted.Own(model.Backbone.call(prompted.Input));
        var vectors = options.Pooling switch
        {
            Pooling.Cls => hidden.select(1, 0),
            Pooling.Mean => HiddenStates.Mean(hidden, input.AttentionMask),
            _ => HiddenStates.Last(hidden, input.AttentionMask!),
        };
        return options.Normalize ? nn.functional.normalize(vectors, 2, 1) : vectors;
    }
}
