using System.Globalization;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>Texts, or pairs of texts, and their classes, for a <see cref="SequenceClassifier"/>. Evaluations measure what belongs to the problem (<see cref="Metrics"/>).</summary>
public sealed class ClassificationDataset : TrainingDataset
{
    private readonly List<EncodedText> texts = [];
    private readonly List<int[]> classes = [];
    private readonly List<double> values = [];
    private readonly long padding;

    /// <summary>Tokenises rows.</summary>
    /// <param name="rows">The rows, all of one problem.</param>
    /// <param name="tokenizer">Makes the ids.</param>
    /// <param name="options">Settings; the defaults if null. Names of fields have no meaning here.</param>
    /// <param name="logger">Is told of texts that were cut.</param>
    /// <param name="name">What errors call the dataset.</param>
    /// <exception cref="DatasetException">There is no row, or one is wrong: its number and what is wrong are named.</exception>
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

    /// <summary>The classes, and what is learned about them: what <see cref="SequenceClassifier.FromPretrained"/> takes.</summary>
    public LabelSet Labels { get; }

    /// <summary>Rows whose text was cut at the maximal length.</summary>
    public int TruncatedRows { get; }

    /// <summary>The rows of a file: CSV with a header (<c>.csv</c>), tab-separated values (<c>.tsv</c>), or JSON Lines.</summary>
    /// <param name="path">The file.</param>
    /// <param name="tokenizer">Makes the ids.</param>
    /// <param name="options">Names of fields and further settings; the defaults if null.</param>
    /// <param name="logger">Is told of texts that were cut.</param>
    /// <exception cref="DatasetException">The file cannot be read, or a row is wrong: the line and what is wrong are named.</exception>
    public static ClassificationDataset FromFile(string path, Tokenizer tokenizer, ClassificationOptions? options = null, ILogger? logger = null)
    {
        options ??= new();
        var problem = options.Problem ?? (options.Labels as LabelSet)?.Problem;
        return new([.. DataFile.Read(path).Select(row => (Read(row, options, problem), row.Place))], tokenizer, options, logger, path);
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

    // In the order given, or sorted: whole numbers by their value.
    private static LabelSet LabelsOf(IEnumerable<ClassificationRow> rows, ProblemType problem, ClassificationOptions options, string name)
    {
        if (options.Labels is { } given) return new(problem, given);
        if (problem == ProblemType.Regression) return new(problem, [options.LabelField]);
        var found = rows.SelectMany(row => row.Labels).Distinct(StringComparer.Ordinal).ToList();
        if (found.Count == 0) throw new DatasetException($"{name} has no label in any row.");
        return new(problem, found.All(label => long.TryParse(label, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out _))
            ? found.OrderBy(label => long.Parse(label, CultureInfo.InvariantCulture)) : found.Order(StringComparer.Ordinal));
    }

    private void Add(ClassificationRow row, TextEncoder encoder, Func<string, DatasetException> error)
    {
        if (row.Problem != Labels.Problem && !(row.Problem == ProblemType.SingleLabel && Labels.Problem == ProblemType.MultiLabel))
            throw error($"the row is for {row.Problem}, but the dataset for {Labels.Problem}.");
        if (Labels.Problem == ProblemType.Regression && !double.IsFinite(row.Value)) throw error($"the number to learn is {row.Value}.");
        if (string.IsNullOrWhiteSpace(row.Text) || row.Pair is not null && string.IsNullOrWhiteSpace(row.Pair)) throw error("the text is empty.");
        classes.Add([.. row.Labels.Select(label => IdOf(label, error))]);
        values.Add(row.Value);
        texts.Add(EncodedText.Of(encoder.Encode(row.Text, row.Pair, error)));
    }

    private int IdOf(string label, Func<string, DatasetException> error)
    {
        if (Labels.IdOf(label) is >= 0 and var id) return id;
        return int.TryParse(label, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number < Labels.Count ? number
            : throw error($"the label '{label}' is not among those given: {Labels}.");
    }

    /// <inheritdoc/>
    public override int LengthOf(int row) => texts[row].Ids.Length;

    /// <inheritdoc/>
    /// <returns>Labels <c>[batch]</c>: numbers of classes, or in regression float32; of several classes float32 <c>[batch, classes]</c>, 1 for those that a row has.</returns>
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
    /// For one class <c>accuracy</c>, <c>f1_macro</c>, <c>f1_weighted</c>, <c>matthews</c>, and with two classes <c>f1</c> of the second; for several <c>f1_micro</c>, <c>f1_macro</c>, and
    /// <c>accuracy</c> of rows that are right altogether; in regression <c>pearson</c>, <c>spearman</c>, <c>mse</c>.
    /// </remarks>
    public override IReadOnlyList<DatasetMetric> Metrics => ClassificationMeasurement.MetricsOf(Labels);

    /// <inheritdoc/>
    public override IMeasurement Measure() => new ClassificationMeasurement(Labels, row => classes[row], row => values[row]);

    /// <inheritdoc/>
    public override IEnumerable<string> Errors(nn.Module model) 
    {
        foreach (var error in model is ClassifyingModel classifier ? Labels.Errors(Name, classifier) : []) yield return error;
        // The model finds a row's last token by that id, as in transformers.
        if (model is SequenceClassifier { Pooling: Pooling.Last, Config.PadTokenId: { } pad } && pad != padding && texts.Any(text => text.Ids.Length != texts[0].Ids.Length))
            yield return $"{Name} fills up rows with token {padding}, but the model's configuration names {pad} (pad_token_id), by which it finds a row's last token: set PadId to {pad}.";
    }
}
