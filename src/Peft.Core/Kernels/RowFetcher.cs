using System.Runtime.CompilerServices;

namespace Peft.Kernels;

/// <summary>
/// Fetches rows of matrices into the cache while other rows are computed. They are fetched a few at a time, between products: the processor stops when too many lines are on their way, and
/// it does not fetch the rows of a head by itself, since they are far from each other.
/// </summary>
/// <param name="width">Number of values of a row.</param>
internal unsafe struct RowFetcher(int width)
{
    private readonly int width = width;
    private (nint Start, nint Stride, int Rows)[]? matrices;
    private int count, current, next, each;

    /// <summary>Forgets all rows.</summary>
    public void Clear() => (count, current, next) = (0, 0, 0);

    /// <summary>Adds the rows of a matrix; of at most five matrices.</summary>
    /// <param name="start">The first row.</param>
    /// <param name="stride">Row stride.</param>
    /// <param name="rows">Number of rows.</param>
    public void Add(float* start, nint stride, int rows)
    {
        if (rows > 0) (matrices ??= new (nint, nint, int)[5])[count++] = ((nint)start, stride, rows);
    }

    /// <summary>Sets in how many calls of <see cref="Fetch"/> all rows are fetched.</summary>
    public void Divide(int calls)
    {
        var rows = 0;
        for (var i = 0; i < count; i++) rows += matrices![i].Rows;
        each = (rows + calls - 1) / calls;
    }

    /// <summary>Fetches the next rows.</summary>
    public void Fetch()
    {
        for (var left = each; left > 0 && current < count; left--)
        {
            var (start, stride, rows) = matrices![current];
            Row((float*)start + next * stride, width);
            if (++next < rows) continue;
            current++;
            next = 0;
        }
    }

    /// <summary>Fetches a row.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Row(float* row, int width)
    {
        for (nint d = 0; d < width; d += 16) Prefetch.Far(row + d);
    }
}
