using System.Text.Json;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>Texts or pairs of texts with their classes, for training a <see cref="SequenceClassifier"/>. Evaluation computes the metrics of the problem type (<see cref="Metrics"/>).</summary>
public sealed class ClassificationDataset : TrainingDataset
{
    private readonly TokenRows rows;   // ids, token types, classes, and the bits of the value
    private readonly long padding;

    /// <summary>Tokenizes rows.</summary>
    /// <param name="rows">The rows, all of the same problem type.</param>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <param name="options">The options; null for the defaults. Field names are ignored.</param>
    /// <param name="logger">Receives a warning about truncated texts.</param>
    /// <param name="name">Name of the dataset in error messages.</param>
    /// <exception cref="DatasetException">There are no rows, or a row is invalid. The message has its number and the reason.</exception>
    public ClassificationDataset(IEnumerable<ClassificationRow> rows, Tokenizer tokenizer, ClassificationOptions? options = null, ILogger? logger = null, string name = "classification dataset")
        : this(Numbered(rows, name), tokenizer, options ?? new(), logger, name, null, []) { }

    private ClassificationDataset(IEnumerable<(ClassificationRow Row, string Place)> given, Tokenizer tokenizer, ClassificationOptions options, ILogger? logger, string name, TokenCache? cache, IEnumerable<string> content)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        Name = name;
        padding = options.PadId ?? TextEncoder.PaddingOf(tokenizer);
        (this.rows, var facts) = TokenCache.Rows(cache, () => TokenizedContent.Hash($"{nameof(ClassificationDataset)} {JsonSerializer.Serialize(options)} {(options.Labels as LabelSet)?.Problem}", tokenizer, content), add => Tokenize([.. given], tokenizer, options, name, add));
        Labels = new(Enum.Parse<ProblemType>(facts.Problem!), facts.Labels);
        TruncatedRows = facts.TruncatedRows;
        if (TruncatedRows > 0) TrainingLog.RowsCut(logger ?? NullLogger.Instance, name, TruncatedRows, 0, (options.MaxLength ?? tokenizer.MaxLength)!.Value);
    }

    /// <inheritdoc/>
    public override int Count => rows.Count;

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
    /// <param name="cache">Keeps the tokens on disk, and finds them there the next time; null to keep them in memory.</param>
    /// <exception cref="DatasetException">A row is invalid. The message has its position and the reason.</exception>
    public static ClassificationDataset From(Dataset data, Tokenizer tokenizer, ClassificationOptions? options = null, ILogger? logger = null, TokenCache? cache = null)
    {
        ArgumentNullException.ThrowIfNull(data);
        options ??= new();
        var problem = options.Problem ?? (options.Labels as LabelSet)?.Problem;
        return new(data.Select(each => new DataRow(each)).Select(row => (Read(row, options, problem), row.Place)), tokenizer, options, logger, data.Name, cache, data.Select(row => row.Fields.ToJsonString()));
    }

    private static IEnumerable<(ClassificationRow Row, string Place)> Numbered(IEnumerable<ClassificationRow> rows, string name)
    {
        ArgumentNullException.ThrowIfNull(rows);
        return rows.Select((row, i) => (row, $"{name}, row {i + 1}"));
    }

    private static TokenizedFacts Tokenize(IReadOnlyList<(ClassificationRow Row, string Place)> rows, Tokenizer tokenizer, ClassificationOptions options, string name, Action<long[][]> add)
    {
        if (rows.Count == 0) throw new DatasetException($"{name} has no rows.");
        if (rows.FirstOrDefault(row => row.Row is null) is { Place: { } missing }) throw new DatasetException($"{missing}: the row is null.");
        if (rows.FirstOrDefault(row => row.Row.Labels.Contains("")) is { Place: { } empty }) throw new DatasetException($"{empty}: the label is empty.");
        var labels = LabelsOf(rows.Select(row => row.Row), options.Problem ?? (options.Labels as LabelSet)?.Problem ?? rows[0].Row.Problem, options, name);
        var encoder = new TextEncoder(tokenizer, options.MaxLength, options.Truncate);
        foreach (var (row, place) in rows) add(Encode(row, labels, encoder, what => new DatasetException($"{place}: {what}")));
        return new(encoder.Truncated, 0, []) { Labels = labels, Problem = labels.Problem.ToString() };
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

    private static long[][] Encode(ClassificationRow row, LabelSet labels, TextEncoder encoder, Func<string, DatasetException> error)
    {
        if (row.Problem != labels.Problem && !(row.Problem == ProblemType.SingleLabel && labels.Problem == ProblemType.MultiLabel))
            throw error($"the row is for {row.Problem}, but the dataset is for {labels.Problem}.");
        if (labels.Problem == ProblemType.Regression && !double.IsFinite(row.Value)) throw error($"the target value is {row.Value}, but must be finite.");
        if (string.IsNullOrWhiteSpace(row.Text) || row.Pair is not null && string.IsNullOrWhiteSpace(row.Pair)) throw error("the text is empty.");
        long[] classes = [.. row.Labels.Select(label => (long)(labels.Find(label) ?? throw error($"the label '{label}' is not among those given: {labels}.")))];
        return [.. EncodedText.Of(encoder.Encode(row.Text, row.Pair, error)).Sequences, classes, TokenRows.Bits(row.Value)];
    }

    /// <inheritdoc/>
    public override int LengthOf(int row) => rows.LengthsOf(row)[0];

    /// <inheritdoc/>
    /// <returns>Labels <c>[batch]</c>: class ids, or float32 values for regression; for multi-label problems float32 <c>[batch, classes]</c>, 1 for the classes of a row.</returns>
    public override Batch GetBatch(IReadOnlyList<int> rows)
    {
        RequireRows(rows, Count);
        long[][][] read = [.. rows.Select(row => this.rows[row])];
        var labels = Labels.Problem switch
        {
            ProblemType.SingleLabel => tensor(read.Select(row => row[2][0]).ToArray()),
            ProblemType.Regression => tensor(read.Select(row => (float)TokenRows.Number(row[3])).ToArray()),
            _ => tensor(read.SelectMany(row => Enumerable.Range(0, Labels.Count).Select(label => row[2].Contains(label) ? 1f : 0)).ToArray(), [rows.Count, Labels.Count]),
        };
        return EncodedText.ToBatch([.. read.Select(EncodedText.Of)], padding, labels, rows.Count);
    }

    /// <inheritdoc/>
    /// <remarks>
    /// Single-label: <c>accuracy</c>, <c>f1_macro</c>, <c>f1_weighted</c>, <c>matthews</c>, and for two classes <c>f1</c> of the second one. Multi-label: <c>f1_micro</c>, <c>f1_macro</c>, and
    /// <c>accuracy</c> of rows whose classes are all correct. Regression: <c>pearson</c>, <c>spearman</c>, <c>mse</c>.
    /// </remarks>
    public override IReadOnlyList<DatasetMetric> Metrics => ClassificationMeasurement.MetricsOf(Labels);

    /// <inheritdoc/>
    public override IMeasurement Measure() => new ClassificationMeasurement(Labels, row => [.. rows[row][2].Select(id => (int)id)], row => TokenRows.Number(rows[row][3]));

    /// <inheritdoc/>
    public override IEnumerable<string> Errors(nn.Module model)
    {
        foreach (var error in model is ClassifyingModel classifier ? Labels.Errors(Name, classifier) : []) yield return error;
        // The model finds a row's last token by the padding id, as in transformers.
        if (model is SequenceClassifier { Pooling: Pooling.Last, Config.PadTokenId: { } pad } && pad != padding && Enumerable.Range(0, Count).Any(row => LengthOf(row) != LengthOf(0)))
            yield return $"{Name} pads rows with token {padding}, but the model finds a row's last token by the pad_token_id {pad} of its configuration: set PadId to {pad}.";
    }
}
