using System.Runtime.InteropServices;

namespace Peft.Kernels;

/// <summary>Memory from the system that <see cref="BlockPool"/> gives out in blocks.</summary>
internal sealed unsafe class MemorySegment
{
    private const int LargePage = 2 << 20;

    private readonly nint start;
    private readonly List<(nint Start, nint Length)> free;   // by address; no two are adjacent

    /// <summary>Takes memory from the system.</summary>
    /// <param name="length">Number of bytes.</param>
    public MemorySegment(nint length)
    {
        Length = (length + LargePage - 1) / LargePage * LargePage;
        start = (nint)NativeMemory.AlignedAlloc((nuint)Length, LargePage);
        MemoryAdvice.UseLargePages((nuint)start, (nuint)Length);
        free = [(start, Length)];
    }

    /// <summary>Number of bytes.</summary>
    public nint Length { get; }

    /// <summary>True if no block is in use.</summary>
    public bool IsFree => free is [var one] && one.Length == Length;

    /// <summary>True if the memory is in this segment.</summary>
    public bool Contains(nint address) => address >= start && address < start + Length;

    /// <summary>The smallest free range of at least some bytes; an index of −1 if there is none.</summary>
    public (int Index, nint Length) Fitting(nint length)
    {
        var best = (Index: -1, Length: nint.MaxValue);
        for (var i = 0; i < free.Count; i++)
            if (free[i].Length >= length && free[i].Length < best.Length) best = (i, free[i].Length);
        return best;
    }

    /// <summary>Takes a block from the beginning of a free range.</summary>
    public nint Take(int index, nint length)
    {
        var range = free[index];
        if (range.Length == length) free.RemoveAt(index);
        else free[index] = (range.Start + length, range.Length - length);
        return range.Start;
    }

    /// <summary>Makes a block free again.</summary>
    public void Give(nint block, nint length)
    {
        var (low, high) = (0, free.Count);
        while (low < high)
        {
            var middle = (low + high) / 2;
            if (free[middle].Start < block) low = middle + 1;
            else high = middle;
        }
        if (low < free.Count && block + length == free[low].Start)
        {
            length += free[low].Length;
            free.RemoveAt(low);
        }
        if (low > 0 && free[low - 1].Start + free[low - 1].Length == block) free[low - 1] = (free[low - 1].Start, free[low - 1].Length + length);
        else free.Insert(low, (block, length));
    }

    /// <summary>Returns the pages of the free ranges to the system, which gives them again at the next access.</summary>
    public void ReturnPages()
    {
        var page = (nint)Environment.SystemPageSize;
        foreach (var (from, length) in free)
        {
            var (first, last) = ((from + page - 1) / page * page, (from + length) / page * page);
            if (first < last) MemoryAdvice.Return((nuint)first, (nuint)(last - first));
        }
    }

    /// <summary>Returns the segment to the system.</summary>
    public void Release() => NativeMemory.AlignedFree((void*)start);
}
