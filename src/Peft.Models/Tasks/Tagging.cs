namespace Peft.Models;

/// <summary>A word and its tag.</summary>
/// <param name="Text">The word.</param>
/// <param name="Start">Its first character in the text.</param>
/// <param name="End">The character after its last.</param>
/// <param name="Label">Its tag; <c>O</c>, or else the model's first tag, for a word that the tokenizer leaves out.</param>
/// <param name="Probability">The tag's probability; 0 for a word that the tokenizer leaves out.</param>
public sealed record TaggedWord(string Text, int Start, int End, string Label, double Probability);

/// <summary>Neighbouring words that are one thing.</summary>
/// <param name="Type">What it is, such as <c>location</c>.</param>
/// <param name="Text">The words as they stand in the text.</param>
/// <param name="Start">Its first character in the text.</param>
/// <param name="End">The character after its last.</param>
/// <param name="Probability">The mean probability of its words' tags.</param>
public sealed record TaggedEntity(string Type, string Text, int Start, int End, double Probability);

/// <summary>What a tagger makes of a text.</summary>
/// <param name="Text">The text; words that were given apart stand in it with a space between them.</param>
/// <param name="Words">Its words.</param>
public sealed record TaggedText(string Text, IReadOnlyList<TaggedWord> Words)
{
    /// <summary>Its words.</summary>
    public IReadOnlyList<TaggedWord> Words { get; init; } = Text is not null && Words is not null && Words.All(word => word is not null) ? Words : throw new ArgumentException("The text or a word is null.", nameof(Words));

    /// <summary>The entities that the words' tags mean (<see cref="Peft.Entities.Of"/>).</summary>
    public IReadOnlyList<TaggedEntity> Entities { get; } = [.. Peft.Entities.Of([.. Words.Select(word => word.Label)]).Select(span =>
    {
        var (start, end) = (Words[span.Start].Start, Words[span.End - 1].End);
        return new TaggedEntity(span.Type, Text[start..end], start, end, Words.Take(span.End).Skip(span.Start).Average(word => word.Probability));
    })];
}

/// <summary>How texts are tagged.</summary>
public sealed record TaggingPredictionOptions
{
    /// <summary>Windows that run at the same time. 32.</summary>
    public int BatchSize { get; init; } = 32;

    /// <summary>Most tokens that the model reads at once; null for what the tokenizer and the model allow. Longer texts are read in windows.</summary>
    public int? MaxLength { get; init; }

    /// <summary>Tokens that neighbouring windows share. A word is tagged where more text stands around it. 32.</summary>
    public int Stride { get; init; } = 32;
}

/// <summary>Tags and entities of texts, by a <see cref="TokenClassifier"/>.</summary>
public static class Tagging
{
    /// <summary>Tags a text, whose words are runs of letters and digits, and every other character by itself.</summary>
    /// <inheritdoc cref="Tag(TokenClassifier, IEnumerable{string}, Tokenizer, TaggingPredictionOptions)"/>
    public static TaggedText Tag(this TokenClassifier model, string text, Tokenizer tokenizer, TaggingPredictionOptions? options = null)
        => model.Tag([text], tokenizer, options)[0];

    /// <summary>Tags texts, whose words are runs of letters and digits, and every other character by itself.</summary>
    /// <param name="model">The model, with or without adapters.</param>
    /// <param name="texts">The texts.</param>
    /// <param name="tokenizer">Its tokenizer.</param>
    /// <param name="options">Size of batches and windows; the defaults if null.</param>
    /// <returns>A result for each text, in the order of the texts.</returns>
    /// <exception cref="ArgumentException">A text is null or has no tokens; its number is named.</exception>
    public static IReadOnlyList<TaggedText> Tag(this TokenClassifier model, IEnumerable<string> texts, Tokenizer tokenizer, TaggingPredictionOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(texts);
        return Run(model, [.. texts.Select((text, i) => (text ?? throw new ArgumentException($"Text {i} is null.", nameof(texts)), Words.Split(text)))], tokenizer, options ?? new());
    }

    /// <summary>Tags sentences whose words are given, as those of a <see cref="TaggingDataset"/> are.</summary>
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
        using var pass = PeftModel.Of(model)?.Pass();   // the labels are those of the adapters that run
        var most = Prediction.MaxLength(model, tokenizer, options.MaxLength);
        var encoder = new TextEncoder(tokenizer, int.MaxValue, truncates: false);
        var windows = new List<(int Text, int[] Tokens)>();
        var (encoded, first) = (new List<TokenEncoding>(), new List<int[]>());
        for (var i = 0; i < texts.Count; i++)
        {
            Exception Error(string what) => new ArgumentException($"Text {i}: {what}", nameof(texts));
            encoded.Add(encoder.Encode(texts[i].Text, null, Error));
            first.Add(Words.FirstTokens(texts[i].Text, texts[i].Words, encoded[i]));
            windows.AddRange(TextWindows.Of(encoded[i], 0, most, options.Stride, Error).Select(tokens => (i, tokens)));
        }
        var rows = windows.Select(window => EncodedText.Of(encoded[window.Text], window.Tokens)).ToList();
        var logits = Prediction.Run(model, rows, tokenizer, options.BatchSize, model.OwnLogits, (_, numbers) => numbers);
        var labels = model.Labels;
        var best = texts.Select((_, i) => Enumerable.Repeat((Margin: -1, Logits: Array.Empty<float>()), encoded[i].Length).ToArray()).ToList();
        foreach (var ((text, tokens), numbers) in windows.Zip(logits))
            for (var place = 0; place < tokens.Length; place++)
            {
                var margin = Math.Min(place, tokens.Length - 1 - place);
                if (margin > best[text][tokens[place]].Margin) best[text][tokens[place]] = (margin, numbers[(place * labels.Count)..((place + 1) * labels.Count)]);
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
