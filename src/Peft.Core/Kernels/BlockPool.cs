namespace Peft.Kernels;

/// <summary>Blocks of memory in segments that the process keeps for later blocks. Adjacent free blocks are one range, and a block comes from the smallest range that has room for it.</summary>
internal sealed unsafe class BlockPool
{
    private const nint SegmentBytes = 64 << 20, KeptBytes = 128 << 20, Alignment = 64;

    private readonly Lock guard = new();
    private readonly List<MemorySegment> segments = [];
    private int holders;

    /// <summary>Bytes of the segments.</summary>
    public nint Reserved
    {
        get
        {
            nint sum = 0;
            lock (guard)
                foreach (var segment in segments) sum += segment.Length;
            return sum;
        }
    }

    /// <summary>Takes a block, aligned to cache lines, uninitialized.</summary>
    /// <param name="bytes">Its length.</param>
    public nint Take(nint bytes)
    {
        var length = (bytes + Alignment - 1) / Alignment * Alignment + Alignment;   // the length comes first
        lock (guard)
        {
            var (best, at) = (default(MemorySegment), (Index: 0, Length: nint.MaxValue));
            foreach (var segment in segments)
                if (segment.Fitting(length) is { Index: >= 0 } fitting && fitting.Length < at.Length) (best, at) = (segment, fitting);
            if (best is null)
            {
                Release(0);   // the free ones are too small
                segments.Add(best = new(nint.Max(length, SegmentBytes)));
            }
            var block = best.Take(at.Index, length);
            *(nint*)block = length;
            return block + Alignment;
        }
    }

    /// <summary>Gives a block back.</summary>
    public void Give(nint block)
    {
        block -= Alignment;
        lock (guard)
        {
            var segment = segments.Find(segment => segment.Contains(block))!;
            segment.Give(block, *(nint*)block);
            if (segment.IsFree && holders == 0) Release(KeptBytes);
        }
    }

    /// <summary>Keeps all segments until the result is disposed. Otherwise, free ones of more than 128 MiB together are returned to the system.</summary>
    public IDisposable Hold() => new Holder(this);

    /// <summary>Returns all free memory to the system.</summary>
    public void Trim()
    {
        lock (guard)
        {
            Release(0);
            foreach (var segment in segments) segment.ReturnPages();
        }
    }

    // Returns free segments, all but some bytes.
    private void Release(nint kept)
    {
        for (var i = segments.Count - 1; i >= 0; i--)
        {
            if (!segments[i].IsFree) continue;
            if (segments[i].Length <= kept)
            {
                kept -= segments[i].Length;
                continue;
            }
            segments[i].Release();
            segments.RemoveAt(i);
        }
    }

    private sealed class Holder : IDisposable
    {
        private BlockPool? pool;

        public Holder(BlockPool pool)
        {
            this.pool = pool;
            lock (pool.guard) pool.holders++;
        }

        public void Dispose()
        {
            if (Interlocked.Exchange(ref pool, null) is not { } held) return;
            lock (held.guard)
                if (--held.holders == 0) held.Release(KeptBytes);
        }
    }
}
