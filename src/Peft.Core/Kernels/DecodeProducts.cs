using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace Peft.Kernels;

/// <summary>
/// Several linear modules with the same input in a decode step, as one job of all threads: first x·Aᵀ of every adapter, then ranges of outputs. A range that needs x·Aᵀ waits for it; threads take parts in their
/// order, so that some thread is then computing it.
/// </summary>
internal sealed unsafe class DecodeProducts
{
    /// <summary>Maximum number of rows of a decode step. Prompts have more.</summary>
    public const int MostRows = LowRankStep.MostRows;

    private const long Worthwhile = 1 << 17;   // number of multiplications below which a second thread does not pay off
    private const int Tile = 48;               // outputs per range: whole tiles of all kernels
    private const int RangeBytes = 1 << 15;    // bytes of a matrix that are worth a range

    private readonly nint x;
    private readonly int rows;
    private readonly DecodeLinear[] linears;
    private readonly nint[] outputs;
    private readonly List<(DecodeLinear Linear, DecodeUpdate Update, nint Hidden)> updates = [];
    private readonly List<(int Linear, int First, int Count)> ranges = [];
    private nint blocks;   // x in blocks
    private int threads, reduced;

    private DecodeProducts(nint x, int rows, DecodeLinear[] linears, nint[] outputs) => (this.x, this.rows, this.linears, this.outputs) = (x, rows, linears, outputs);

    /// <summary>Computes the outputs.</summary>
    /// <param name="x"><c>[rows, inputs]</c></param>
    /// <param name="rows">Number of rows.</param>
    /// <param name="linears">The modules.</param>
    /// <param name="outputs">Where each module's outputs <c>[rows, outputs]</c> go.</param>
    public static void Run(float* x, int rows, DecodeLinear[] linears, nint[] outputs)
    {
        long multiplications = 0, floats = 0;
        foreach (var linear in linears)
        {
            multiplications += (long)linear.Matrix.Outputs * linear.Matrix.Inputs * rows;
            foreach (var update in linear.Updates) floats += (update.Count * update.Rank + 15) / 16 * 16;
        }
        var job = new DecodeProducts((nint)x, rows, linears, outputs);
        var (inputs, inBlocks) = (linears[0].Matrix.Inputs, linears.Any(linear => linear.Matrix.ReadsBlocks(rows)));
        var hidden = (float*)NativeMemory.AlignedAlloc((nuint)(floats + (inBlocks ? BlockProduct.Floats(rows, inputs) : 16)) * sizeof(float), 64);
        try
        {
            if (inBlocks)
            {
                if (rows <= MostRows) BlockProduct.Arrange(x, rows, inputs, hidden + floats);
                else BlockProduct.ArrangeByThreads(x, rows, inputs, hidden + floats);
                job.blocks = (nint)(hidden + floats);
            }
            job.threads = multiplications < Worthwhile ? 1 : get_num_threads();
            job.Divide(hidden);
            var parts = job.updates.Count + job.ranges.Count;
            if (job.threads > 1 && WorkTeam.TryRun(job.threads, parts, job.Part)) return;
            for (var i = 0; i < parts; i++) job.Part(i);
        }
        finally
        {
            NativeMemory.AlignedFree(hidden);
        }
    }

    private void Divide(float* hidden)
    {
        for (var i = 0; i < linears.Length; i++)
        {
            foreach (var update in linears[i].Updates)
            {
                updates.Add((linears[i], update, (nint)hidden));
                hidden += (update.Count * update.Rank + 15) / 16 * 16;
            }
            var matrix = linears[i].Matrix;
            var most = threads == 1 ? 1 : matrix.IsDivisible ? Math.Clamp((long)matrix.Outputs * matrix.RowBytes / RangeBytes, 1, 4 * threads) : threads;
            var size = ((matrix.Outputs + (int)most - 1) / (int)most + Tile - 1) / Tile * Tile;
            for (var first = 0; first < matrix.Outputs; first += size) ranges.Add((i, first, Math.Min(size, matrix.Outputs - first)));
        }
    }

    private void Part(int index)
    {
        if (index < updates.Count)
        {
            var (_, update, hidden) = updates[index];
            update.Reduce((float*)x, (float*)hidden);
            Interlocked.Increment(ref reduced);
            return;
        }
        var (of, first, count) = ranges[WorkTeam.Adjoining(index - updates.Count, ranges.Count, threads)];
        var linear = linears[of];
        var y = (float*)outputs[of];
        linear.Multiply((float*)(linear.Matrix.ReadsBlocks(rows) ? blocks : x), y, rows, first, count);
        if (linear.Updates.Length == 0) return;
        while (Volatile.Read(ref reduced) < updates.Count) Thread.SpinWait(1);
        foreach (var (owner, update, hidden) in updates)
            if (ReferenceEquals(owner, linear)) update.Expand((float*)hidden, y, first, count);
    }
}
