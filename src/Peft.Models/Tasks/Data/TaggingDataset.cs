using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>
/// Sentences with a tag for each word, for training a <see cref="TokenClassifier"/>. The tag is the label of a word's first token; its other tokens are ignored, as
/// in transformers' example. Words are joined by spaces before encoding.
/// </summary>
public sealed class TaggingDataset : TrainingDataset
{
    private readonly List<EncodedText> texts = [];
    private readonly List<long[]> labels = [];
    private readonly long padding;

    /// <summary>Tokenizes rows.</summary>
    /// <param name="rows">The rows.</param>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <param name="options">The options; null for the defaults. Field names are ignored.</param>
    /// <param name="logger">Receives a warning about truncated sentences.</param>
    /// <param name="name">Name of the dataset in error messages.</param>
    /// <exception cref="DatasetException">There are no rows, or a row is invalid. The message has its number and the reason.</exception>
    public TaggingDataset(IEnumerable<TaggingRow> rows, Tokenizer tokenizer, TaggingOptions? options = null, ILogger? logger = null, string name = "tagging dataset")
        : this([.. (rows ?? throw new ArgumentNullException(nameof(rows))).Select((row, i) => (row, $"{name}, row {i + 1}"))], tokenizer, options ?? new(), logger, name) { }

    private TaggingDataset(IReadOnlyList<(TaggingRow Row, string Place)> rows, Tokenizer tokenizer, TaggingOptions options, ILogger? logger, string name)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        Name = name;
        if (rows.Count == 0) throw new DatasetException($"{name} has no rows.");
        padding = TextEncoder.PaddingOf(tokenizer);
        foreach (var (row, place) in rows) Check(row, what => new DatasetException($"{place}: {what}"));
        Labels = options.Labels is { } given ? new(given) : new(LabelSet.InOrder(rows.SelectMany(row => row.Row.Tags)).OrderBy(tag => tag != "O"));
        var encoder = new TextEncoder(tokenizer, options.MaxLength, options.Truncate);
        foreach (var (row, place) in rows) Add(row, encoder, what => new DatasetException($"{place}: {what}"));
        TruncatedRows = encoder.Truncated;
        if (TruncatedRows > 0) TrainingLog.RowsCut(logger ?? NullLogger.Instance, name, TruncatedRows, 0, encoder.MaxLength!.Value);
    }

    /// <inheritdoc/>
    public override int Count => texts.Count;

    /// <inheritdoc/>
    public override string Name { get; }

    /// <summary>The tags. <see cref="TokenClassifier.FromPretrained"/> accepts them as options.</summary>
    public LabelSet Labels { get; }

    /// <summary>Number of sentences truncated to the maximum length.</summary>
    public int TruncatedRows { get; }

    /// <summary>Number of words without a token, whose characters the tokenizer drops. Training and evaluation ignore them.</summary>
    public int LostWords { get; private set; }

    /// <summary>Loads a file in any format that <see cref="Dataset.Load"/> reads.</summary>
    /// <param name="path">The file.</param>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <param name="options">Field names and other options; null for the defaults.</param>
    /// <param name="logger">Receives a warning about truncated sentences.</param>
    /// <exception cref="DatasetException">The file cannot be read, or a row is invalid. The message has its line and the reason.</exception>
    public static TaggingDataset FromFile(string path, Tokenizer tokenizer, TaggingOptions? options = null, ILogger? logger = null)
        => From(Dataset.Load(path), tokenizer, options, logger);

    /// <summary>Prepares the rows of a dataset.</summary>
    /// <param name="data">The rows.</param>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <param name="options">Field names and other options; null for the defaults.</param>
    /// <param name="logger">Receives a warning about truncated rows.</param>
    /// <exception cref="DatasetException">A row is invalid. The message has its position and the reason.</exception>
    public static TaggingDataset From(Dataset data, Tokenizer tokenizer, TaggingOptions? options = null, ILogger? logger = null)
    {
        ArgumentNullException.ThrowIfNull(data);
        options ??= new();
        return new([.. data.Select(each => new DataRow(each)).Select(row => (new TaggingRow(row.Names(options.WordsField), row.Names(options.TagsField)), row.Place))], tokenizer, options, logger, data.Name);
    }

    private static void Check(TaggingRow row, Func<string, DatasetException> error)
    {
        if (row is not { Words: not null, Tags: not null }) throw error("there are no words or no tags.");
        if (row.Words.Count != row.Tags.Count) throw error($"there are {row.Words.Count} words, but {row.Tags.Count} tags.");
        if (row.Words.Count == 0) throw error("there are no words.");
        if (row.Words.Any(string.IsNullOrWhiteSpace)) throw error($"word {row.Words.ToList().FindIndex(string.IsNullOrWhiteSpace) + 1} is empty.");
        if (row.Tags.Any(string.IsNullOrEmpty)) throw error($"tag {row.Tags.ToList().FindIndex(string.IsNullOrEmpty) + 1} is empty.");
    }

    private void Add(TaggingRow row, TextEncoder encoder, Func<string, DatasetException> error)
    {
        var (text, words) = Words.Join(row.Words);
        var tokens = encoder.Encode(text, null, error);
        var first = Words.FirstTokens(text, words, tokens);
        var of = Enumerable.Repeat(Batch.IgnoredLabel, tokens.Length).ToArray();
        for (var word = 0; word < first.Length; word++)
        {
            var id = Labels.Find(row.Tags[word]) ?? throw error($"the tag '{row.Tags[word]}' is not among those given: {Labels}.");
            if (first[word] >= 0) of[first[word]] = id;
        }
        LostWords += Lost(first);
        texts.Add(EncodedText.Of(tokens));
        labels.Add(of);
    }

    // Words at the end were truncated and do not count.
    private static int Lost(int[] first) => first.Take(Array.FindLastIndex(first, token => token >= 0) + 1).Count(token => token < 0);

    /// <inheritdoc/>
    public override int LengthOf(int row) => texts[row].Ids.Length;

    /// <inheritdoc/>
    /// <returns>Labels <c>[batch, sequence]</c>: the tag id at the first token of each word, otherwise <see cref="Batch.IgnoredLabel"/>.</returns>
    public override Batch GetBatch(IReadOnlyList<int> rows)
    {
        RequireRows(rows, Count);
        var width = rows.Max(LengthOf);
        return EncodedText.ToBatch([.. rows.Select(row => texts[row])], padding, LabelledSequence.Fill([.. rows.Select(row => labels[row])], width, Batch.IgnoredLabel),
            rows.Sum(row => labels[row].Count(label => label != Batch.IgnoredLabel)));
    }

    /// <inheritdoc/>
    /// <remarks><c>precision</c>, <c>recall</c> and <c>f1</c> of entities, as in seqeval, and <c>accuracy</c> of words.</remarks>
    public override IReadOnlyList<DatasetMetric> Metrics => [new("precision"), new("recall"), new("f1"), new("accuracy")];

    /// <inheritdoc/>
    public override IMeasurement Measure() => new TaggingMeasurement(Labels, row => labels[row]);

    /// <inheritdoc/>
    public override IEnumerable<string> Errors(nn.Module model) => model is ClassifyingModel tagger ? Labels.Errors(Name, tagger) : [];
}
