using System.Text.Json.Nodes;
using Peft.Data;

namespace Peft;

public abstract partial class Dataset
{
    /// <summary>Renames columns; the others keep their names.</summary>
    /// <param name="names">New names by the old ones.</param>
    /// <exception cref="DatasetException">While rows are enumerated: a row lacks a column, or has one with the new name already.</exception>
    public Dataset RenameColumns(IReadOnlyDictionary<string, string> names)
    {
        ArgumentNullException.ThrowIfNull(names);
        if (names.Values.GroupBy(each => each).FirstOrDefault(each => each.Count() > 1) is { } twice)
            throw new ArgumentException($"Two columns would be named \"{twice.Key}\".", nameof(names));
        return Changed(row =>
        {
            foreach (var old in names.Keys) Require(row, old);
            var renamed = new JsonObject();
            foreach (var (name, value) in row.Fields)
                if (!renamed.TryAdd(names.GetValueOrDefault(name, name), value?.DeepClone()))
                    throw new DatasetException($"{row.Place}: there is a column \"{names.GetValueOrDefault(name, name)}\" already: remove it first, with {nameof(SelectColumns)}.");
            return renamed;
        });
    }

    /// <summary>Renames a column; the others keep their names.</summary>
    /// <param name="from">Its name.</param>
    /// <param name="to">Its new name.</param>
    /// <exception cref="DatasetException">While rows are enumerated: a row lacks the column, or has one with the new name already.</exception>
    public Dataset RenameColumn(string from, string to)
    {
        ArgumentException.ThrowIfNullOrEmpty(from);
        ArgumentException.ThrowIfNullOrEmpty(to);
        return RenameColumns(new Dictionary<string, string> { [from] = to });
    }

    /// <summary>Keeps only some columns.</summary>
    /// <param name="columns">Their names.</param>
    /// <exception cref="DatasetException">While rows are enumerated: a row lacks a column.</exception>
    public Dataset SelectColumns(params IReadOnlyList<string> columns)
    {
        ArgumentNullException.ThrowIfNull(columns);
        foreach (var each in columns) ArgumentException.ThrowIfNullOrEmpty(each, nameof(columns));
        return Changed(row => new(columns.Distinct().Select(name =>
        {
            Require(row, name);
            return KeyValuePair.Create(name, row.Fields[name]?.DeepClone());
        })));
    }

    /// <summary>Computes new rows.</summary>
    /// <param name="change">The new columns of a row, from its columns. It must give the same result each time.</param>
    /// <exception cref="DatasetException">While rows are enumerated: the function threw an exception, or returned null.</exception>
    public Dataset Map(Func<JsonObject, JsonObject> change)
    {
        ArgumentNullException.ThrowIfNull(change);
        return Changed(row => Guarded(row, change) ?? throw new DatasetException($"{row.Place}: the function of {nameof(Map)} returned null. Use {nameof(Filter)} to drop rows."));
    }

    /// <summary>Keeps the rows that a condition holds for.</summary>
    /// <param name="condition">The condition, given the columns of a row.</param>
    /// <exception cref="DatasetException">While rows are enumerated: the function threw an exception.</exception>
    public Dataset Filter(Func<JsonObject, bool> condition)
    {
        ArgumentNullException.ThrowIfNull(condition);
        return new ComputedDataset(Name, () => this.Where(row => Guarded(row, condition)));
    }

    private ComputedDataset Changed(Func<DatasetRow, JsonObject> change) => new(Name, () => this.Select(row => row with { Fields = change(row) }));

    private static T Guarded<T>(DatasetRow row, Func<JsonObject, T> function)
    {
        try
        {
            return function(row.Fields);
        }
        catch (Exception error) when (error is not (PeftException or OutOfMemoryException))
        {
            throw new DatasetException($"{row.Place}: the function threw {error.GetType().Name}: {error.Message}", error);
        }
    }

    private static void Require(DatasetRow row, string column)
    {
        if (!row.Fields.ContainsKey(column))
            throw new DatasetException($"{row.Place}: there is no column \"{column}\". Columns found: {(row.Fields.Count == 0 ? "none" : string.Join(", ", row.Fields.Select(each => each.Key)))}.");
    }
}
