using System.Runtime.InteropServices;

namespace Peft;

/// <summary>Writes the files that <see cref="StoredRows"/> reads, row by row.</summary>
internal sealed class StoredRowsWriter(string folder) : IDisposable
{
    private readonly FileStream tokens = Create(folder, StoredRows.TokensName), sequences = Create(folder, StoredRows.SequencesName), rows = Create(folder, StoredRows.RowsName);
    private long values, count;

    public void Add(long[][] row)
    {
        Write(rows, count);
        foreach (var sequence in row)
        {
            Write(sequences, values);
            tokens.Write(MemoryMarshal.AsBytes(Array.ConvertAll(sequence, value => checked((int)value)).AsSpan()));
            values += sequence.Length;
            count++;
        }
    }

    /// <summary>Writes the totals, and all to disk.</summary>
    public void Complete()
    {
        Write(sequences, values);
        Write(rows, count);
        foreach (var file in (ReadOnlySpan<FileStream>)[tokens, sequences, rows]) file.Flush(flushToDisk: true);
    }

    public void Dispose()
    {
        tokens.Dispose();
        sequences.Dispose();
        rows.Dispose();
    }

    private static void Write(FileStream file, long value) => file.Write(MemoryMarshal.AsBytes(new ReadOnlySpan<long>(in value)));

    private static FileStream Create(string folder, string name) => new(Path.Combine(folder, name), FileMode.CreateNew, FileAccess.Write, FileShare.None, bufferSize: 1 << 16);
}
