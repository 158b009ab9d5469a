using Peft.Tokenizers;

namespace Peft.Models;

/// <summary>Tagging of words and entities with a <see cref="TokenClassifier"/>.</summary>
public static class Tagging
{
    /// <summary>Tags the words of a text. Words are runs of letters and digits; every other character except whitespace is a separate word.</summary>
    /// <inheritdoc cref="Tag(TokenClassifier, IEnumerable{string}, Tokenizer, TaggingPredictionOptions)"/>
    public static TaggedText Tag(this TokenClassifier model, string text, Tokenizer tokenizer, TaggingPredictionOptions? options = null)
        => model.Tag([text], tokenizer, options)[0];

    /// <summary>Tags the words of texts. Words are runs of letters and digits; every other character except whitespace is a separate word.</summary>
    /// <param name="model">The model, with or without adapters.</param>
    /// <param name="texts">The texts.</param>
    /// <param name="tokenizer">The model's tokenizer.</param>
    /// <param name="options">Sizes of batches and windows; null for the defaults.</param>
    /// <returns>One result per text, in the order of the texts.</returns>
    /// <exception cref="ArgumentException">A text is null or has no tokens. The message has its index.</exception>
    public static IReadOnlyList<TaggedText> Tag(this TokenClassifier model, IEnumerable<string> texts, Tokenizer tokenizer, TaggingPredictionOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(texts);
        return Run(model, [.. texts.Select((text, i) => (text ?? throw new ArgumentException($"Text {i} is null.", nameof(texts)), Words.Split(text)))], tokenizer, options ?? new());
    }

    /// <summary>Tags sentences that are already split into words, as in a <see cref="TaggingDataset"/>.</summary>
    /// <inheritdoc cref="Tag(TokenClassifier, IEnumerable{string}, Tokenizer, TaggingPredictionOptions)"/>
    public static IReadOnlyList<TaggedText> Tag(this TokenClassifier model, IEnumerable<IReadOnlyList<string>> sentences, Tokenizer tokenizer, TaggingPredictionOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(sentences);
        return Run(model, [.. sentences.Select((words, i) => words is not null && words.All(word => word is not null) ? Words.Join(words) : throw new ArgumentException($"Sentence {i} or one of its words is null.", nameof(sentences)))], tokenizer, options ?? new());
    }

    private static TaggedText[] Run(TokenClassifier model, List<(string Text, List<TextRange> Words)> texts, Tokenizer tokenizer, TaggingPredictionOptions options)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentOutOfRangeException.ThrowIfNegative(options.Stride);
        using var pass = PeftModel.Of(model)?.Pass();   // the labels belong to the active adapters
        var maxLength = Prediction.MaxLength(model, tokenizer, options.MaxLength);
        var encoder = new TextEncoder(tokenizer, int.MaxValue, truncates: false);
        var windows = new List<(int Text, int[] Tokens)>();
        var (encoded, first) = (new List<TokenEncoding>(), new List<int[]>());
        for (var i = 0; i < texts.Count; i++)
        {
            Exception Error(string what) => new ArgumentException($"Text {i}: {what}", nameof(texts));
            encoded.Add(encoder.Encode(texts[i].Text, null, Error));
            first.Add(Words.FirstTokens(texts[i].Text, texts[i].Words, encoded[i]));
            windows.AddRange(TextWindows.Of(encoded[i], 0, maxLength, options.Stride, Error).Select(tokens => (i, tokens)));
        }
        var rows = windows.Select(window => EncodedText.Of(encoded[window.Text], window.Tokens)).ToList();
        var logits = Prediction.Run(model, rows, tokenizer, options.BatchSize, model.OwnLogits, (_, values) => values);
        var labels = model.Labels;
        var best = texts.Select((_, i) => Enumerable.Repeat((Margin: -1, Logits: Array.Empty<float>()), encoded[i].Length).ToArray()).ToList();
        foreach (var ((text, tokens), values) in windows.Zip(logits))
            for (var position = 0; position < tokens.Length; position++)
            {
                var margin = Math.Min(position, tokens.Length - 1 - position);
                if (margin > best[text][tokens[position]].Margin) best[text][tokens[position]] = (margin, values[(position * labels.Count)..((position + 1) * labels.Count)]);
            }
        return [.. texts.Select((text, i) => new TaggedText(text.Text, [.. text.Words.Select((range, word) =>
        {
            var (label, probability) = first[i][word] is >= 0 and var token ? Best(best[i][token].Logits, labels) : (labels.IdOf("O") >= 0 ? "O" : labels[0], 0);
            return new TaggedWord(text.Text[range.Start..range.End], range.Start, range.End, label, probability);
        })]))];
    }

    private static (string Label, double Probability) Best(float[] logits, LabelSet labels)
    {
        var id = ClassificationMeasurement.Largest(logits);
        return (labels[id], Prediction.Softmax(logits)[id]);
    }
}
