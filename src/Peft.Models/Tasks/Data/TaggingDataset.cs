using System.Text.Json;
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
    private readonly TokenRows rows;   // ids, token types, and labels
    private readonly long padding;

    /// <summary>Tokenizes rows.</summary>
    /// <param name="rows">The rows.</param>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <param name="options">The options; null for the defaults. Field names are ignored.</param>
    /// <param name="logger">Receives a warning about truncated sentences.</param>
    /// <param name="name">Name of the dataset in error messages.</param>
    /// <exception cref="DatasetException">There are no rows, or a row is invalid. The message has its number and the reason.</exception>
    public TaggingDataset(IEnumerable<TaggingRow> rows, Tokenizer tokenizer, TaggingOptions? options = null, ILogger? logger = null, string name = "tagging dataset")
        : this(Numbered(rows, name), tokenizer, options ?? new(), logger, name, null, []) { }

    private TaggingDataset(IEnumerable<(TaggingRow Row, string Place)> given, Tokenizer tokenizer, TaggingOptions options, ILogger? logger, string name, TokenCache? cache, IEnumerable<string> content)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        Name = name;
        padding = TextEncoder.PaddingOf(tokenizer);
        (this.rows, var facts) = TokenCache.Rows(cache, () => TokenizedContent.Hash($"{nameof(TaggingDataset)} {JsonSerializer.Serialize(options)}", tokenizer, content), add => Tokenize([.. given], tokenizer, options, name, add));
        Labels = new(facts.Labels);
        (TruncatedRows, LostWords) = (facts.TruncatedRows, facts.LostWords);
        if (TruncatedRows > 0) TrainingLog.RowsCut(logger ?? NullLogger.Instance, name, TruncatedRows, 0, (options.MaxLength ?? tokenizer.MaxLength)!.Value);
    }

    /// <inheritdoc/>
    public override int Count => rows.Count;

    /// <inheritdoc/>
    public override string Name { get; }

    /// <summary>The tags. <see cref="TokenClassifier.FromPretrained"/> accepts them as options.</summary>
    public LabelSet Labels { get; }

    /// <summary>Number of sentences truncated to the maximum length.</summary>
    public int TruncatedRows { get; }

    /// <summary>Number of words without a token, whose characters the tokenizer drops. Training and evaluation ignore them.</summary>
    public int LostWords { get; }

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
    /// <param name="cache">Keeps the tokens on disk, and finds them there the next time; null to keep them in memory.</param>
    /// <exception cref="DatasetException">A row is invalid. The message has its position and the reason.</exception>
    public static TaggingDataset From(Dataset data, Tokenizer tokenizer, TaggingOptions? options = null, ILogger? logger = null, TokenCache? cache = null)
    {
        ArgumentNullException.ThrowIfNull(data);
        options ??= new();
        return new(data.Select(each => new DataRow(each)).Select(row => (new TaggingRow(row.Names(options.WordsField), row.Names(options.TagsField)), row.Place)), tokenizer, options, logger, data.Name, cache, data.Select(row => row.Fields.ToJsonString()));
    }

    private static IEnumerable<(TaggingRow Row, string Place)> Numbered(IEnumerable<TaggingRow> rows, string name)
    {
        ArgumentNullException.ThrowIfNull(rows);
        return rows.Select((row, i) => (row, $"{name}, row {i + 1}"));
    }

    private static TokenizedFacts Tokenize(IReadOnlyList<(TaggingRow Row, string Place)> rows, Tokenizer tokenizer, TaggingOptions options, string name, Action<long[][]> add)
    {
        if (rows.Count == 0) throw new DatasetException($"{name} has no rows.");
        foreach (var (row, place) in rows) Check(row, what => new DatasetException($"{place}: {what}"));
        var labels = options.Labels is { } given ? new LabelSet(given) : new(LabelSet.InOrder(rows.SelectMany(row => row.Row.Tags)).OrderBy(tag => tag != "O"));
        var encoder = new TextEncoder(tokenizer, options.MaxLength, options.Truncate);
        var lost = 0;
        foreach (var (row, place) in rows) add(Encode(row, labels, encoder, ref lost, what => new DatasetException($"{place}: {what}")));
        return new(encoder.Truncated, 0, []) { Labels = labels, LostWords = lost };
    }

    private static void Check(TaggingRow row, Func<string, DatasetException> error)
    {
        if (row is not { Words: not null, Tags: not null }) throw error("there are no words or no tags.");
        if (row.Words.Count != row.Tags.Count) throw error($"there are {row.Words.Count} words, but {row.Tags.Count} tags.");
        if (row.Words.Count == 0) throw error("there are no words.");
        if (row.Words.Any(string.IsNullOrWhiteSpace)) throw error($"word {row.Words.ToList().FindIndex(string.IsNullOrWhiteSpace) + 1} is empty.");
        if (row.Tags.Any(string.IsNullOrEmpty)) throw error($"tag {row.Tags.ToList().FindIndex(string.IsNullOrEmpty) + 1} is empty.");
    }

    private static long[][] Encode(TaggingRow row, LabelSet labels, TextEncoder encoder, ref int lost, Func<string, DatasetException> error)
    {
        var (text, words) = Words.Join(row.Words);
        var tokens = encoder.Encode(text, null, error);
        var first = Words.FirstTokens(text, words, tokens);
        var of = Enumerable.Repeat(Batch.IgnoredLabel, tokens.Length).ToArray();
        for (var word = 0; word < first.Length; word++)
        {
            var id = labels.Find(row.Tags[word]) ?? throw error($"the tag '{row.Tags[word]}' is not among those given: {labels}.");
            if (first[word] >= 0) of[first[word]] = id;
        }
        lost += Lost(first);
        return [.. EncodedText.Of(tokens).Sequences, of];
    }

    // Words at the end were truncated and do not count.
    private static int Lost(int[] first) => first.Take(Array.FindLastIndex(first, token => token >= 0) + 1).Count(token => token < 0);

    /// <inheritdoc/>
    public override int LengthOf(int row) => rows.LengthsOf(row)[0];

    /// <inheritdoc/>
    /// <returns>Labels <c>[batch, sequence]</c>: the tag id at the first token of each word, otherwise <see cref="Batch.IgnoredLabel"/>.</returns>
    public override Batch GetBatch(IReadOnlyList<int> rows)
    {
        RequireRows(rows, Count);
        long[][][] read = [.. rows.Select(row => this.rows[row])];
        return EncodedText.ToBatch([.. read.Select(EncodedText.Of)], padding, LabelledSequence.Fill([.. read.Select(row => row[2])], read.Max(row => row[0].Length), Batch.IgnoredLabel),
            read.Sum(row => row[2].Count(label => label != Batch.IgnoredLabel)));
    }

    /// <inheritdoc/>
    /// <remarks><c>precision</c>, <c>recall</c> and <c>f1</c> of entities, as in seqeval, and <c>accuracy</c> of words.</remarks>
    public override IReadOnlyList<DatasetMetric> Metrics => [new("precision"), new("recall"), new("f1"), new("accuracy")];

    /// <inheritdoc/>
    public override IMeasurement Measure() => new TaggingMeasurement(Labels, row => rows[row][2]);

    /// <inheritdoc/>
    public override IEnumerable<string> Errors(nn.Module model) => model is ClassifyingModel tagger ? Labels.Errors(Name, tagger) : [];
}
