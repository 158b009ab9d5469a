using Apache.Arrow;
using Apache.Arrow.Ipc;
using Apache.Arrow.Types;

namespace Peft.Data;

/// <summary>Reads Arrow files, as Hugging Face's <c>save_to_disk</c> writes them (the streaming format), a record batch at a time.</summary>
internal static class ArrowRows
{
    public static IEnumerable<DatasetRow> Read(string path)
    {
        using var stream = NumberedLines.Guarded(path, () => File.OpenRead(path));
        using var reader = Guarded(path, () => StartsAsFile(stream) ? new ArrowFileReader(stream, leaveOpen: true) : new ArrowStreamReader(stream, leaveOpen: true));
        var row = 0;
        while (Guarded(path, reader.ReadNextRecordBatch) is { } batch)
        {
            using (batch)
            {
                for (var i = 0; i < batch.Length; i++)
                {
                    var place = $"{path}, row {row++} (counted from 0)";
                    var at = i;
                    yield return Guarded(path, () => new DatasetRow(JsonValues.Object(batch.Schema.FieldsList.Select((field, column) => KeyValuePair.Create(field.Name, Value(batch.Column(column), at, place))), place), place));
                }
            }
        }
    }

    private static object? Value(IArrowArray array, int i, string place) => array.IsNull(i) ? null : array switch
    {
        StringArray values => Text(values.ValueBuffer, values.ValueOffsets[i], values.ValueOffsets[i + 1]),
        LargeStringArray values => Text(values.ValueBuffer, values.ValueOffsets[i], values.ValueOffsets[i + 1]),
        BooleanArray values => values.GetValue(i),
        Int8Array values => values.GetValue(i),
        Int16Array values => values.GetValue(i),
        Int32Array values => values.GetValue(i),
        Int64Array values => values.GetValue(i),
        UInt8Array values => values.GetValue(i),
        UInt16Array values => values.GetValue(i),
        UInt32Array values => values.GetValue(i),
        UInt64Array values => values.GetValue(i),
        HalfFloatArray values => values.GetValue(i),
        FloatArray values => values.GetValue(i),
        DoubleArray values => values.GetValue(i),
        BinaryArray values => Bytes(values.ValueBuffer, values.ValueOffsets[i], values.ValueOffsets[i + 1]).ToArray(),
        TimestampArray values => values.GetTimestamp(i),
        Date32Array values => values.GetDateTime(i),
        Date64Array values => values.GetDateTime(i),
        ListArray values => Items(values.Values, values.ValueOffsets[i], values.ValueOffsets[i + 1], place),
        LargeListArray values => Items(values.Values, checked((int)values.ValueOffsets[i]), checked((int)values.ValueOffsets[i + 1]), place),
        FixedSizeListArray values => Items(values.Values, i * ((FixedSizeListType)values.Data.DataType).ListSize, (i + 1) * ((FixedSizeListType)values.Data.DataType).ListSize, place),
        StructArray values => ((StructType)values.Data.DataType).Fields.Select((field, at) => KeyValuePair.Create(field.Name, Value(values.Fields[at], i, place))).ToArray(),
        DictionaryArray values => Value(values.Dictionary, Convert.ToInt32(Value(values.Indices, i, place), System.Globalization.CultureInfo.InvariantCulture), place),
        NullArray => null,
        _ => throw new DatasetException($"{place}: columns of the Arrow type {array.Data.DataType.Name} are not supported."),
    };

    // The library itself reads texts without a check of their positions, so that a damaged file would end the process.
    private static string Text(ArrowBuffer values, long start, long end) => System.Text.Encoding.UTF8.GetString(Bytes(values, start, end));

    private static ReadOnlySpan<byte> Bytes(ArrowBuffer values, long start, long end) => values.Span[checked((int)start)..checked((int)end)];

    private static object?[] Items(IArrowArray values, int start, int end, string place)
        => start < 0 || end < start || end > values.Length ? throw new InvalidDataException("The positions of a list are outside of its values.") : [.. Enumerable.Range(start, end - start).Select(i => Value(values, i, place))];

    private static bool StartsAsFile(FileStream stream)
    {
        Span<byte> mark = stackalloc byte[6];
        var isFile = stream.ReadAtLeast(mark, mark.Length, throwOnEndOfStream: false) == mark.Length && mark.SequenceEqual("ARROW1"u8);
        stream.Position = 0;
        return isFile;
    }

    private static T Guarded<T>(string path, Func<T> read) => NumberedLines.Guarded(path, () =>
    {
        try
        {
            return read();
        }
        // The library reports damaged files with many types, and allocates any amount of memory that they claim.
        catch (Exception error) when (error is not (IOException or UnauthorizedAccessException or PeftException))
        {
            throw new DatasetException($"{path} is not an Arrow file that can be read: {error.Message}", error);
        }
    });
}
