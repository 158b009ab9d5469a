namespace Peft.Models;

/// <summary>A class and how probable it is.</summary>
/// <param name="Label">Name of the class.</param>
/// <param name="Probability">Its probability.</param>
public readonly record struct LabelProbability(string Label, double Probability);

/// <summary>What a classifier makes of a text.</summary>
/// <param name="Scores">All classes, the most probable first. Probabilities sum to 1 where a text has one class, and are each for itself where it may have several.</param>
/// <param name="IsTruncated">Whether the text was longer than the model reads, so that its end did not count.</param>
public sealed record Classification(IReadOnlyList<LabelProbability> Scores, bool IsTruncated = false)
{
    /// <summary>All classes, the most probable first.</summary>
    public IReadOnlyList<LabelProbability> Scores { get; init; } = Scores is { Count: > 0 } ? Scores : throw new ArgumentException("There must be at least one class.", nameof(Scores));

    /// <summary>The most probable class.</summary>
    public string Label => Scores[0].Label;

    /// <summary>The probability of <see cref="Label"/>.</summary>
    public double Probability => Scores[0].Probability;

    /// <summary>The classes that are at least so probable; where a text may have several, 0.5 chooses as training does.</summary>
    public IEnumerable<string> LabelsFrom(double probability) => Scores.TakeWhile(score => score.Probability >= probability).Select(score => score.Label);

    /// <summary>The most probable class and its probability.</summary>
    public override string ToString() => FormattableString.Invariant($"{Label} ({Probability:P1})");
}

/// <summary>Classes and numbers of texts, by a <see cref="SequenceClassifier"/>.</summary>
public static class Classifying
{
    /// <summary>The classes of a text.</summary>
    /// <inheritdoc cref="Classify(SequenceClassifier, IEnumerable{string}, Tokenizer, PredictionOptions)"/>
    public static Classification Classify(this SequenceClassifier model, string text, Tokenizer tokenizer, PredictionOptions? options = null)
        => model.Classify([text], tokenizer, options)[0];

    /// <summary>The classes of texts.</summary>
    /// <param name="model">The model, with or without adapters.</param>
    /// <param name="texts">The texts.</param>
    /// <param name="tokenizer">Its tokenizer.</param>
    /// <param name="options">Size of batches and length of texts; the defaults if null.</param>
    /// <returns>A result for each text, in the order of the texts.</returns>
    /// <exception cref="ArgumentException">A text is null or has no tokens, or is too long and must not be cut; its number is named.</exception>
    /// <exception cref="InvalidOperationException">The model gives numbers, not classes.</exception>
    public static IReadOnlyList<Classification> Classify(this SequenceClassifier model, IEnumerable<string> texts, Tokenizer tokenizer, PredictionOptions? options = null)
        => Classify(model, Singles(texts), tokenizer, options);

    /// <summary>The classes of pairs of texts, such as premise and hypothesis.</summary>
    /// <inheritdoc cref="Classify(SequenceClassifier, IEnumerable{string}, Tokenizer, PredictionOptions)"/>
    public static IReadOnlyList<Classification> Classify(this SequenceClassifier model, IEnumerable<(string Text, string Pair)> texts, Tokenizer tokenizer, PredictionOptions? options = null)
        => Classify(model, Pairs(texts), tokenizer, options);

    /// <summary>The numbers that a model of <see cref="ProblemType.Regression"/> gives texts.</summary>
    /// <inheritdoc cref="Classify(SequenceClassifier, IEnumerable{string}, Tokenizer, PredictionOptions)"/>
    /// <exception cref="InvalidOperationException">The model gives classes, or more than one number.</exception>
    public static IReadOnlyList<double> Regress(this SequenceClassifier model, IEnumerable<string> texts, Tokenizer tokenizer, PredictionOptions? options = null)
        => Regress(model, Singles(texts), tokenizer, options);

    /// <summary>The numbers that a model of <see cref="ProblemType.Regression"/> gives pairs of texts.</summary>
    /// <inheritdoc cref="Regress(SequenceClassifier, IEnumerable{string}, Tokenizer, PredictionOptions)"/>
    public static IReadOnlyList<double> Regress(this SequenceClassifier model, IEnumerable<(string Text, string Pair)> texts, Tokenizer tokenizer, PredictionOptions? options = null)
        => Regress(model, Pairs(texts), tokenizer, options);

    private static IReadOnlyList<Classification> Classify(SequenceClassifier model, List<(string, string?)> texts, Tokenizer tokenizer, PredictionOptions? options)
    {
        ArgumentNullException.ThrowIfNull(model);
        using var pass = PeftModel.Of(model)?.Pass();   // the labels are those of the adapters that run
        var labels = model.Labels;
        if (labels.Problem == ProblemType.Regression) throw new InvalidOperationException("The model gives numbers, not classes: use Regress.");
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
            throw new InvalidOperationException($"The model is for {model.Labels.Problem} of {model.Labels}, but must give one number: use Classify, or load it for {nameof(ProblemType)}.{ProblemType.Regression}.");
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
