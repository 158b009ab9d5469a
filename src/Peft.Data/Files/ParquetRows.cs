using System.Collections;
using Parquet;
using Parquet.Schema;
using Parquet.Serialization;

namespace Peft.Data;

/// <summary>Reads Parquet files, a row group at a time.</summary>
internal static class ParquetRows
{
    public static IEnumerable<DatasetRow> Read(string path)
    {
        var (schema, groups) = Guarded(path, async () =>
        {
            await using var reader = await ParquetReader.CreateAsync(path).ConfigureAwait(false);
            return (reader.Schema, reader.RowGroupCount);
        });
        var row = 0;
        for (var group = 0; group < groups; group++)
        {
            var index = group;
            foreach (var fields in Guarded(path, async () =>
            {
                await using var stream = File.OpenRead(path);
                return (await ParquetSerializer.DeserializeUntypedAsync(stream, rowGroupIndex: index).ConfigureAwait(false)).Data;
            }))
            {
                var place = $"{path}, row {row++} (counted from 0)";
                yield return new(JsonValues.Object(Fields(schema.Fields, fields), place), place);
            }
        }
    }

    // The library leaves out nulls and empty lists. A list that is null, which Hugging Face's files do not have, is empty here.
    private static IEnumerable<KeyValuePair<string, object?>> Fields(IEnumerable<Field> fields, IDictionary<string, object> values)
        => fields.Select(field => KeyValuePair.Create(field.Name, Value(field, values.TryGetValue(field.Name, out var value) ? value : null)));

    private static object? Value(Field field, object? value) => (field, value) switch
    {
        (ListField, null) => Array.Empty<object>(),
        (ListField list, IEnumerable items) => items.Cast<object?>().Select(each => Value(list.Item, each)).ToArray(),
        (StructField parts, IDictionary<string, object> values) => Fields(parts.Fields, values).ToArray(),
        _ => value,
    };

    private static T Guarded<T>(string path, Func<Task<T>> read) => NumberedLines.Guarded(path, () =>
    {
        try
        {
            return Task.Run(read).GetAwaiter().GetResult();
        }
        // The library reports damaged files with many types, and allocates any amount of memory that they claim.
        catch (Exception error) when (error is not (IOException or UnauthorizedAccessException or PeftException))
        {
            throw new DatasetException($"{path} is not a Parquet file that can be read: {error.Message}", error);
        }
    });
}
