namespace Peft.Models;

/// <summary>Classification and regression of texts with a <see cref="SequenceClassifier"/>.</summary>
public static class Classifying
{
    /// <summary>Classifies text.</summary>
    /// <inheritdoc cref="Classify(SequenceClassifier, IEnumerable{string}, Tokenizer, PredictionOptions)"/>
    public static Classification Classify(this SequenceClassifier model, string text, Tokenizer tokenizer, PredictionOptions? options = null)
        => model.Classify([text], tokenizer, options)[0];

    /// <summary>Classifies texts.</summary>
    /// <param name="model">The model, with or without adapters.</param>
    /// <param name="texts">The texts.</param>
    /// <param name="tokenizer">The model's tokenizer.</param>
    /// <param name="options">Batch size and length of texts; null for the defaults.</param>
    /// <returns>One result per text, in the order of the texts.</returns>
    /// <exception cref="ArgumentException">A text is null, has no tokens, or is too long while truncation is off. The message has its index.</exception>
    /// <exception cref="InvalidOperationException">The model is a regression model.</exception>
    public static IReadOnlyList<Classification> Classify(this SequenceClassifier model, IEnumerable<string> texts, Tokenizer tokenizer, PredictionOptions? options = null)
        => Classify(model, Singles(texts), tokenizer, options);

    /// <summary>Classifies pairs of texts, such as premise and hypothesis.</summary>
    /// <inheritdoc cref="Classify(SequenceClassifier, IEnumerable{string}, Tokenizer, PredictionOptions)"/>
    public static IReadOnlyList<Classification> Classify(this SequenceClassifier model, IEnumerable<(string Text, string Pair)> texts, Tokenizer tokenizer, PredictionOptions? options = null)
        => Classify(model, Pairs(texts), tokenizer, options);

    /// <summary>Predicts a value for each text, with a model for <see cref="ProblemType.Regression"/>.</summary>
    /// <inheritdoc cref="Classify(SequenceClassifier, IEnumerable{string}, Tokenizer, PredictionOptions)"/>
    /// <exception cref="InvalidOperationException">The model is a classifier, or has more than one output.</exception>
    public static IReadOnlyList<double> Regress(this SequenceClassifier model, IEnumerable<string> texts, Tokenizer tokenizer, PredictionOptions? options = null)
        => Regress(model, Singles(texts), tokenizer, options);

    /// <summary>Predicts a value for each pair of texts, with a model for <see cref="ProblemType.Regression"/>.</summary>
    /// <inheritdoc cref="Regress(SequenceClassifier, IEnumerable{string}, Tokenizer, PredictionOptions)"/>
    public static IReadOnlyList<double> Regress(this SequenceClassifier model, IEnumerable<(string Text, string Pair)> texts, Tokenizer tokenizer, PredictionOptions? options = null)
        => Regress(model, Pairs(texts), tokenizer, options);

    private static IReadOnlyList<Classification> Classify(SequenceClassifier model, List<(string, string?)> texts, Tokenizer tokenizer, PredictionOptions? options)
    {
        ArgumentNullException.ThrowIfNull(model);
        using var pass = PeftModel.Of(model)?.Pass();   // the labels belong to the active adapters
        var labels = model.Labels;
        if (labels.Problem == ProblemType.Regression) throw new InvalidOperationException("This is a regression model, without classes: use Regress.");
        return Run(model, texts, tokenizer, options, (logits, truncated) =>
        {
            var probabilities = labels.Problem == ProblemType.MultiLabel ? [.. logits.Select(logit => 1 / (1 + Math.Exp(-(double)logit)))] : Prediction.Softmax(logits);
            return new Classification([.. probabilities.Select((probability, id) => new LabelProbability(labels[id], probability)).OrderByDescending(score => score.Probability)], truncated);
        });
    }

    private static IReadOnlyList<double> Regress(SequenceClassifier model, List<(string, string?)> texts, Tokenizer tokenizer, PredictionOptions? options)
    {
        ArgumentNullException.ThrowIfNull(model);
        using var pass = PeftModel.Of(model)?.Pass();
        if (model.Labels is not { Problem: ProblemType.Regression, Count: 1 } labels)
            throw new InvalidOperationException($"The model is for {model.Labels.Problem} of {model.Labels}, but must predict one value: use Classify, or load it for {nameof(ProblemType)}.{ProblemType.Regression}.");
        return Run(model, texts, tokenizer, options, (values, _) => (double)values[0]);
    }

    private static T[] Run<T>(SequenceClassifier model, List<(string Text, string? Pair)> texts, Tokenizer tokenizer, PredictionOptions? options, Func<float[], bool, T> read)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        options ??= new();
        var encoder = new TextEncoder(tokenizer, Prediction.MaxLength(model, tokenizer, options.MaxLength), options.Truncate);
        var cut = new bool[texts.Count];
        var encoded = texts.Select((text, i) =>
        {
            var before = encoder.Truncated;
            var tokens = encoder.Encode(text.Text, text.Pair, what => new ArgumentException($"Text {i}: {what}", nameof(texts)));
            cut[i] = encoder.Truncated > before;
            return EncodedText.Of(tokens);
        }).ToList();
        return Prediction.Run(model, encoded, tokenizer, options.BatchSize, model.forward, (i, logits) => read(logits, cut[i]));
    }

    private static List<(string, string?)> Singles(IEnumerable<string> texts)
    {
        ArgumentNullException.ThrowIfNull(texts);
        return [.. texts.Select((text, i) => (text ?? throw new ArgumentException($"Text {i} is null.", nameof(texts)), (string?)null))];
    }

    private static List<(string, string?)> Pairs(IEnumerable<(string Text, string Pair)> texts)
    {
        ArgumentNullException.ThrowIfNull(texts);
        return [.. texts.Select((text, i) => text is { Text: not null, Pair: not null } ? (text.Text, (string?)text.Pair) : throw new ArgumentException($"Text {i} is null.", nameof(texts)))];
    }
}
