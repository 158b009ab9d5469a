using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>Texts or pairs of texts with their classes, for training a <see cref="SequenceClassifier"/>. Evaluation computes the metrics of the problem type (<see cref="Metrics"/>).</summary>
public sealed class ClassificationDataset : TrainingDataset
{
    private readonly List<EncodedText> texts = [];
    private readonly List<int[]> classes = [];
    private readonly List<double> values = [];
    private readonly long padding;

    /// <summary>Tokenizes rows.</summary>
    /// <param name="rows">The rows, all of the same problem type.</param>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <param name="options">The options; null for the defaults. Field names are ignored.</param>
    /// <param name="logger">Receives a warning about truncated texts.</param>
    /// <param name="name">Name of the dataset in error messages.</param>
    /// <exception cref="DatasetException">There are no rows, or a row is invalid. The message has its number and the reason.</exception>
    public ClassificationDataset(IEnumerable<ClassificationRow> rows, Tokenizer tokenizer, ClassificationOptions? options = null, ILogger? logger = null, string name = "classification dataset")
        : this([.. (rows ?? throw new ArgumentNullException(nameof(rows))).Select((row, i) => (row, $"{name}, row {i + 1}"))], tokenizer, options ?? new(), logger, name) { }

    private ClassificationDataset(IReadOnlyList<(ClassificationRow Row, string Place)> rows, Tokenizer tokenizer, ClassificationOptions options, ILogger? logger, string name)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        Name = name;
        if (rows.Count == 0) throw new DatasetException($"{name} has no rows.");
        if (rows.FirstOrDefault(row => row.Row is null) is { Place: { } missing }) throw new DatasetException($"{missing}: the row is null.");
        padding = options.PadId ?? TextEncoder.PaddingOf(tokenizer);
        if (rows.FirstOrDefault(row => row.Row.Labels.Contains("")) is { Place: { } empty }) throw new DatasetException($"{empty}: the label is empty.");
        var problem = options.Problem ?? (options.Labels as LabelSet)?.Problem ?? rows[0].Row.Problem;
        Labels = LabelsOf(rows.Select(row => row.Row), problem, options, name);
        var encoder = new TextEncoder(tokenizer, options.MaxLength, options.Truncate);
        foreach (var (row, place) in rows) Add(row, encoder, what => new DatasetException($"{place}: {what}"));
        TruncatedRows = encoder.Truncated;
        if (TruncatedRows > 0) TrainingLog.RowsCut(logger ?? NullLogger.Instance, name, TruncatedRows, 0, encoder.MaxLength!.Value);
    }

    /// <inheritdoc/>
    public override int Count => texts.Count;

    /// <inheritdoc/>
    public override string Name { get; }

    /// <summary>The classes with the problem type. <see cref="SequenceClassifier.FromPretrained"/> accepts them as options.</summary>
    public LabelSet Labels { get; }

    /// <summary>Number of rows whose text was truncated to the maximum length.</summary>
    public int TruncatedRows { get; }

    /// <summary>Loads a file in any format that <see cref="Dataset.Load"/> reads.</summary>
    /// <param name="path">The file.</param>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <param name="options">Field names and other options; null for the defaults.</param>
    /// <param name="logger">Receives a warning about truncated texts.</param>
    /// <exception cref="DatasetException">The file cannot be read, or a row is invalid. The message has its line and the reason.</exception>
    public static ClassificationDataset FromFile(string path, Tokenizer tokenizer, ClassificationOptions? options = null, ILogger? logger = null)
        => From(Dataset.Load(path), tokenizer, options, logger);

    /// <summary>Prepares the rows of a dataset.</summary>
    /// <param name="data">The rows.</param>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <param name="options">Field names and other options; null for the defaults.</param>
    /// <param name="logger">Receives a warning about truncated rows.</param>
    /// <exception cref="DatasetException">A row is invalid. The message has its position and the reason.</exception>
    public static ClassificationDataset From(Dataset data, Tokenizer tokenizer, ClassificationOptions? options = null, ILogger? logger = null)
    {
        ArgumentNullException.ThrowIfNull(data);
        options ??= new();
        var problem = options.Problem ?? (options.Labels as LabelSet)?.Problem;
        return new([.. data.Select(each => new DataRow(each)).Select(row => (Read(row, options, problem), row.Place))], tokenizer, options, logger, data.Name);
    }

    private static ClassificationRow Read(DataRow row, ClassificationOptions options, ProblemType? problem)
    {
        var (text, field) = (row.Text(options.TextField), options.LabelField);
        var several = problem == ProblemType.MultiLabel || (problem is null && (options.LabelSeparator is not null || row.Get(field).ValueKind == System.Text.Json.JsonValueKind.Array));
        var read = problem == ProblemType.Regression ? new ClassificationRow(text, row.Number(field))
            : several ? new(text, row.Names(field, options.LabelSeparator ?? "\n"))
            : new(text, row.Name(field));
        return read with { Pair = options.PairField is { } pair ? row.Text(pair) : null };
    }

    // In the given order, or sorted: integers by value.
    private static LabelSet LabelsOf(IEnumerable<ClassificationRow> rows, ProblemType problem, ClassificationOptions options, string name)
    {
        if (options.Labels is { } given) return new(problem, given);
        if (problem == ProblemType.Regression) return new(problem, [options.LabelField]);
        return LabelSet.InOrder(rows.SelectMany(row => row.Labels)) is { Count: > 0 } found ? new(problem, found) : throw new DatasetException($"{name} has no label in any row.");
    }

    private void Add(ClassificationRow row, TextEncoder encoder, Func<string, DatasetException> error)
    {
        if (row.Problem != Labels.Problem && !(row.Problem == ProblemType.SingleLabel && Labels.Problem == ProblemType.MultiLabel))
            throw error($"the row is for {row.Problem}, but the dataset is for {Labels.Problem}.");
        if (Labels.Problem == ProblemType.Regression && !double.IsFinite(row.Value)) throw error($"the target value is {row.Value}, but must be finite.");
        if (string.IsNullOrWhiteSpace(row.Text) || row.Pair is not null && string.IsNullOrWhiteSpace(row.Pair)) throw error("the text is empty.");
        classes.Add([.. row.Labels.Select(label => Labels.Find(label) ?? throw error($"the label '{label}' is not among those given: {Labels}."))]);
        values.Add(row.Value);
        texts.Add(EncodedText.Of(encoder.Encode(row.Text, row.Pair, error)));
    }

    /// <inheritdoc/>
    public override int LengthOf(int row) => texts[row].Ids.Length;

    /// <inheritdoc/>
    /// <returns>Labels <c>[batch]</c>: class ids, or float32 values for regression; for multi-label problems float32 <c>[batch, classes]</c>, 1 for the classes of a row.</returns>
    public override Batch GetBatch(IReadOnlyList<int> rows)
    {
        RequireRows(rows, Count);
        var labels = Labels.Problem switch
        {
            ProblemType.SingleLabel => tensor(rows.Select(row => (long)classes[row][0]).ToArray()),
            ProblemType.Regression => tensor(rows.Select(row => (float)values[row]).ToArray()),
            _ => tensor(rows.SelectMany(row => Enumerable.Range(0, Labels.Count).Select(label => classes[row].Contains(label) ? 1f : 0)).ToArray(), [rows.Count, Labels.Count]),
        };
        return EncodedText.ToBatch([.. rows.Select(row => texts[row])], padding, labels, rows.Count);
    }

    /// <inheritdoc/>
    /// <remarks>
    /// Single-label: <c>accuracy</c>, <c>f1_macro</c>, <c>f1_weighted</c>, <c>matthews</c>, and for two classes <c>f1</c> of the second one. Multi-label: <c>f1_micro</c>, <c>f1_macro</c>, and
    /// <c>accuracy</c> of rows whose classes are all correct. Regression: <c>pearson</c>, <c>spearman</c>, <c>mse</c>.
    /// </remarks>
    public override IReadOnlyList<DatasetMetric> Metrics => ClassificationMeasurement.MetricsOf(Labels);

    /// <inheritdoc/>
    public override IMeasurement Measure() => new ClassificationMeasurement(Labels, row => classes[row], row => values[row]);

    /// <inheritdoc/>
    public override IEnumerable<string> Errors(nn.Module model)
    {
        foreach (var error in model is ClassifyingModel classifier ? Labels.Errors(Name, classifier) : []) yield return error;
        // The model finds a row's last token by the padding id, as in transformers.
        if (model is SequenceClassifier { Pooling: Pooling.Last, Config.PadTokenId: { } pad } && pad != padding && texts.Any(text => text.Ids.Length != texts[0].Ids.Length))
            yield return $"{Name} pads rows with token {padding}, but the model finds a row's last token by the pad_token_id {pad} of its configuration: set PadId to {pad}.";
    }
}
