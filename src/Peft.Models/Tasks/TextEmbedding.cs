using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>Text embeddings with any decoder or encoder.</summary>
public static class TextEmbedding
{
    /// <summary>Embeds text.</summary>
    /// <inheritdoc cref="Embed(PretrainedModel, IEnumerable{string}, Tokenizer, EmbedOptions)"/>
    public static float[] Embed(this PretrainedModel model, string text, Tokenizer tokenizer, EmbedOptions? options = null) => model.Embed([text], tokenizer, options)[0];

    /// <summary>Embeds texts: the model's last hidden states, pooled.</summary>
    /// <param name="model">The model, with or without adapters. Its head is ignored.</param>
    /// <param name="texts">The texts.</param>
    /// <param name="tokenizer">The model's tokenizer.</param>
    /// <param name="options">Pooling, batch size and length of texts; null for the defaults.</param>
    /// <returns>One vector <c>[hidden]</c> per text, in the order of the texts.</returns>
    /// <exception cref="ArgumentException">A text is null, has no tokens, or is too long while truncation is off. The message has its index.</exception>
    /// <exception cref="NotSupportedException">The model is an encoder-decoder model.</exception>
    public static IReadOnlyList<float[]> Embed(this PretrainedModel model, IEnumerable<string> texts, Tokenizer tokenizer, EmbedOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(texts);
        options ??= new();
        if (model.Spec.Kind == TransformerKind.EncoderDecoder) throw new NotSupportedException($"A {model.Config.ModelType} is an encoder-decoder model, without a single state for a text: use an encoder or a decoder.");
        if (!Enum.IsDefined(options.Pooling)) throw new ArgumentOutOfRangeException(nameof(options), options.Pooling, "Unknown pooling.");
        if (model.Spec.Causal && options.Pooling == Pooling.Cls) throw new ArgumentException($"A decoder's first token attends to none of the others: use {nameof(Pooling)}.{Pooling.Mean} or {Pooling.Last}.", nameof(options));
        var encoder = new TextEncoder(tokenizer, Prediction.MaxLength(model, tokenizer, options.MaxLength), options.Truncate);
        var rows = texts.Select((text, i) => EncodedText.Of(encoder.Encode(text ?? throw new ArgumentException($"Text {i} is null.", nameof(texts)), null, what => new ArgumentException($"Text {i}: {what}", nameof(texts))))).ToList();
        return Prediction.Run(model, rows, tokenizer, options.BatchSize, input => Vectors(model, input, options), (_, vector) => vector);
    }

    private static Tensor Vectors(PretrainedModel model, ModelInput input, EmbedOptions options)
    {
        using var prompted = PromptedInput.Unpadded(model, input);
        var hidden = prompted.Own(prompted.States(model.Backbone));
        var vectors = options.Pooling switch
        {
            Pooling.Cls => hidden.select(1, 0),
            Pooling.Mean => HiddenStates.Mean(hidden, input.AttentionMask),
            _ => HiddenStates.At(hidden, HiddenStates.LastOf(input.AttentionMask!)),
        };
        return options.Normalize ? nn.functional.normalize(vectors, 2, 1) : vectors;
    }
}
