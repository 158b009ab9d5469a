using System.Runtime.InteropServices;

namespace Peft;

/// <summary>
/// Tokenized rows on disk; only the positions are in memory. The file <c>tokens.bin</c> has the values of all sequences as 32-bit integers, <c>sequences.bin</c> the position of the first value of each
/// sequence, and <c>rows.bin</c> the first sequence of each row, both as 64-bit integers with the total at the end. All are little-endian.
/// </summary>
/// <remarks>The file is opened for each row that is read, so that nothing must be disposed, and any number of threads may read.</remarks>
internal sealed class StoredRows : TokenRows
{
    public const string TokensName = "tokens.bin", SequencesName = "sequences.bin", RowsName = "rows.bin";

    private readonly string path;
    private readonly long[] sequences, rows;

    /// <summary>Opens the files of a folder.</summary>
    /// <exception cref="DatasetException">The files are missing or damaged.</exception>
    public StoredRows(string folder)
    {
        path = Path.Combine(folder, TokensName);
        (sequences, rows) = (Positions(folder, SequencesName), Positions(folder, RowsName));
        if (rows[^1] != sequences.Length - 1 || Guarded(() => new FileInfo(path).Length) != sequences[^1] * sizeof(int)) throw Damaged(folder);
    }

    public override int Count => rows.Length - 1;

    public override long[][] this[int row]
    {
        get
        {
            var start = sequences[rows[row]];
            var values = new int[sequences[rows[row + 1]] - start];
            Guarded(() =>
            {
                using var file = File.OpenHandle(path);
                var bytes = MemoryMarshal.AsBytes(values.AsSpan());
                for (var done = 0; done < bytes.Length;)
                {
                    var read = RandomAccess.Read(file, bytes[done..], start * sizeof(int) + done);
                    if (read == 0) throw new EndOfStreamException("it has become shorter.");
                    done += read;
                }
                return 0;
            });
            return [.. LengthsOf(row).Select((length, i) =>
            {
                var from = (int)(sequences[rows[row] + i] - start);
                return Array.ConvertAll(values[from..(from + length)], value => (long)value);
            })];
        }
    }

    public override IReadOnlyList<int> LengthsOf(int row)
    {
        var lengths = new int[rows[row + 1] - rows[row]];
        for (var i = 0; i < lengths.Length; i++) lengths[i] = (int)(sequences[rows[row] + i + 1] - sequences[rows[row] + i]);
        return lengths;
    }

    private long[] Positions(string folder, string name)
    {
        var bytes = Guarded(() => File.ReadAllBytes(Path.Combine(folder, name)));
        var positions = MemoryMarshal.Cast<byte, long>(bytes).ToArray();
        if (bytes.Length % sizeof(long) != 0 || positions is not [0, ..]) throw Damaged(folder);
        for (var i = 1; i < positions.Length; i++)
            if (positions[i] < positions[i - 1] || positions[i] - positions[i - 1] > Array.MaxLength) throw Damaged(folder);
        return positions;
    }

    private T Guarded<T>(Func<T> read)
    {
        try
        {
            return read();
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new DatasetException($"The tokenized rows in {path} cannot be read: {error.Message}", error);
        }
    }

    private static DatasetException Damaged(string folder) => new($"The tokenized rows in {folder} are damaged: delete this folder, and they are computed again.");
}
