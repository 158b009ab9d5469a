using System.Collections;
using System.Text.Json.Nodes;
using Peft.Data;

namespace Peft;

/// <summary>
/// Rows of named columns. They are read from their files at each enumeration and are never in memory together, so a dataset may be larger than memory. Every
/// transformation is lazy, and gives the same rows in the same order each time.
/// </summary>
/// <remarks><c>SftDataset.From(Dataset.Load("train.parquet"), tokenizer)</c> trains on one. Errors name the file and the row.</remarks>
[TypeFormatterSource(typeof(DatasetDisplay))]
public abstract partial class Dataset : IEnumerable<DatasetRow>
{
    private DatasetRow? first;

    /// <summary>Name of the dataset in error messages.</summary>
    public abstract string Name { get; }

    /// <summary>Names of the columns, as the first row has them; empty if there are no rows.</summary>
    public IReadOnlyList<string> Columns => First is { } row ? [.. row.Fields.Select(each => each.Key)] : [];

    /// <summary>The format of the rows, recognized by the columns of the first row.</summary>
    public DatasetFormat Format => First is { } row ? DatasetFormats.Of(row.Fields) : DatasetFormat.Unknown;

    private DatasetRow? First => first ??= this.FirstOrDefault();

    /// <summary>Loads rows.</summary>
    /// <param name="source">
    /// A file (<c>.txt</c>, <c>.jsonl</c>, <c>.json</c>, <c>.csv</c>, <c>.tsv</c>, <c>.parquet</c>, <c>.arrow</c>; all but the last two also with <c>.gz</c>), a pattern of files, a folder as Hugging
    /// Face's <c>datasets</c> has them (also one of <c>save_to_disk</c>), or the id of a dataset on the hub.
    /// </param>
    /// <param name="options">Selects the split and the files; the defaults if null.</param>
    /// <exception cref="DatasetException">Nothing has that name, or no such split or file. While rows are enumerated: a file or a row is invalid.</exception>
    /// <exception cref="HubException">The download failed.</exception>
    public static Dataset Load(string source, DatasetOptions? options = null)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(source);
        var settings = options ?? new();
        ArgumentException.ThrowIfNullOrWhiteSpace(settings.Split, nameof(DatasetOptions.Split));
        var files = DatasetSource.Resolve(source, settings);
        return new ComputedDataset(source, () => files.SelectMany(file => DataFile.Read(file, settings)));
    }

    /// <summary>The splits of a folder or of a dataset on the hub.</summary>
    /// <param name="source">The folder or the id.</param>
    /// <param name="options">The configuration, the revision, and options of the hub; the defaults if null.</param>
    /// <exception cref="DatasetException">Nothing has that name, or it has no data files.</exception>
    /// <exception cref="HubException">The download failed.</exception>
    public static IReadOnlyList<string> Splits(string source, DatasetOptions? options = null)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(source);
        return DatasetSource.Splits(source, options ?? new());
    }

    /// <summary>A dataset of rows that a program has or makes.</summary>
    /// <param name="rows">The rows; enumerated anew each time.</param>
    /// <param name="name">Name in error messages.</param>
    public static Dataset Of(IEnumerable<JsonObject> rows, string name = "dataset")
    {
        ArgumentNullException.ThrowIfNull(rows);
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        return new ComputedDataset(name, () => rows.Select((row, i) =>
        {
            var place = $"Row {i} of {name} (counted from 0)";
            return new DatasetRow(row ?? throw new DatasetException($"{place} is null."), place);
        }));
    }

    /// <summary>Several datasets, one after another.</summary>
    /// <param name="datasets">The datasets.</param>
    public static Dataset Concat(params IReadOnlyList<Dataset> datasets)
    {
        ArgumentNullException.ThrowIfNull(datasets);
        foreach (var each in datasets) ArgumentNullException.ThrowIfNull(each, nameof(datasets));
        return new ComputedDataset(string.Join(" + ", datasets.Select(each => each.Name)), () => datasets.SelectMany(each => each));
    }

    /// <summary>Enumerates the rows.</summary>
    public abstract IEnumerator<DatasetRow> GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
