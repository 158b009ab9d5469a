using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using static TorchSharp.torch;

namespace Peft.Kernels;

/// <summary>
/// log softmax(x·Wᵀ/T)[target] of rows x and a head W, and its derivative with respect to x. The logits of a block of the vocabulary at a time are in memory, with a running maximum and running sums, so that
/// W is read once for many rows (Wijmans et al., Cut Your Losses in Large-Vocabulary Language Models, arXiv:2411.09009). On the CPU in float32.
/// </summary>
internal static unsafe class TokenLossKernel
{
    private const int Block = 384;         // of the vocabulary: the depth of a block of MatrixProduct
    private const int MaxRows = 1024;      // whose logits of a block stay in the caches
    private const int MinRows = 8, MinRowsOfThread = 64;

    /// <summary>True if the kernel supports such rows and targets, all of which are in the vocabulary.</summary>
    /// <param name="rows">x <c>[rows, hidden]</c></param>
    /// <param name="head">W <c>[vocabulary, hidden]</c></param>
    /// <param name="targets"><c>[rows]</c></param>
    public static bool Supports(Tensor rows, Tensor head, Tensor targets)
        => TorchRuntime.Cpu.TokenLosses && MatrixProduct.IsSupported && TensorMemory.Supports(rows, head) && rows.dim() == 2 && head.dim() == 2 && rows.size(1) == head.size(1) && rows.size(1) > 0 && head.stride(1) == 1
           && rows.size(0) >= (get_num_threads() is var threads && threads == 1 ? MinRows : MinRowsOfThread * threads)
           && targets.dtype == ScalarType.Int64 && targets.is_contiguous() && targets.numel() == rows.size(0) && TensorRules.Outside(targets, head.size(0)) is null;

    /// <summary>Computes the sums that give the log-probabilities and the statistics of each row. As in torch, a row whose highest logit is not finite gives NaN.</summary>
    /// <param name="rows">x <c>[rows, hidden]</c></param>
    /// <param name="head">W <c>[vocabulary, hidden]</c></param>
    /// <param name="targets"><c>[rows]</c></param>
    /// <param name="temperature">T.</param>
    /// <param name="statistics">True to collect the sums for statistics too.</param>
    /// <param name="derivatives">Receives the derivatives of the log-probabilities with respect to x, <c>[rows, hidden]</c>, contiguous; null for none.</param>
    public static TokenSums[] Run(Tensor rows, Tensor head, Tensor targets, double temperature = 1, bool statistics = false, Tensor? derivatives = null)
    {
        var sums = new TokenSums[rows.size(0)];
        var dense = rows.AsContiguous();
        var job = new Job((float*)TensorAddress.Of(dense), (float*)TensorAddress.Of(head), (nint)head.stride(0), (long*)TensorAddress.Of(targets), derivatives is null ? null : (float*)TensorAddress.Of(derivatives),
            (int)rows.size(1), (int)head.size(0), (float)(1 / temperature), statistics, sums);
        TensorMemory.InShares(sums.Length, (_, start, length) => job.Run(start, length));
        GC.KeepAlive(dense);
        GC.KeepAlive(head);
        GC.KeepAlive(targets);
        GC.KeepAlive(derivatives);
        if (!ReferenceEquals(dense, rows)) dense.Dispose();
        return sums;
    }

    private sealed class Job(float* x, float* head, nint headRow, long* targets, float* derivatives, int hidden, int vocabulary, float scale, bool statistics, TokenSums[] sums)
    {
        public void Run(int start, int length)
        {
            var passes = (length + MaxRows - 1) / MaxRows;   // of nearly equal lengths
            var memory = ScratchMemory.Allocate((length + passes - 1) / passes * Block);
            for (var i = 0; i < passes; i++)
            {
                var first = (int)((long)i * length / passes);
                RunRows(start + first, (int)((i + 1L) * length / passes) - first, memory);
            }
            ScratchMemory.Free(memory);
        }

        private void RunRows(int first, int rows, float* logits)
        {
            float* from = x + (nint)first * hidden, to = derivatives + (nint)first * hidden;
            for (var row = 0; row < rows; row++) sums[first + row] = TokenSums.None;
            for (var start = 0; start < vocabulary; start += Block)
            {
                var size = Math.Min(Block, vocabulary - start);
                var some = head + start * headRow;
                MatrixProduct.Run(from, hidden, some, 1, headRow, null, logits, Block, rows, hidden, size, add: false);
                for (var row = 0; row < rows; row++)
                {
                    var factor = sums[first + row].Add(logits + (nint)row * Block, size, targets[first + row] - start, scale, statistics);
                    if (derivatives == null || start == 0 || factor == 1) continue;
                    if (factor == 0) new Span<float>(to + (nint)row * hidden, hidden).Clear();   // 0·∞ would be NaN
                    else Scale(to + (nint)row * hidden, factor);
                }
                if (derivatives != null) MatrixProduct.Run(logits, Block, some, headRow, 1, null, to, hidden, rows, size, hidden, add: start > 0);
            }
            if (derivatives == null) return;
            for (var row = 0; row < rows; row++) Finish(to + (nint)row * hidden, head + (nint)targets[first + row] * headRow, sums[first + row]);
        }

        [MethodImpl(JitOptions.Loop)]
        private void Scale(float* row, float factor)
        {
            nint i = 0;
            for (var factors = Vector256.Create(factor); i + 8 <= hidden; i += 8) (Vector256.Load(row + i) * factors).Store(row + i);
            for (; i < hidden; i++) row[i] *= factor;
        }

        // The row has Σ e^z·w of the other tokens. (Σ e^z of the others)·w[target] − it, divided by Σ e^z of all: 1 − p[target] as it is, not as a difference, keeps its precision if p is nearly 1.
        [MethodImpl(JitOptions.Loop)]
        private void Finish(float* row, float* target, TokenSums sum)
        {
            var (own, others) = ((float)(scale * sum.Others / sum.All), (float)(-scale / sum.All));
            nint i = 0;
            for (Vector256<float> a = Vector256.Create(own), b = Vector256.Create(others); i + 8 <= hidden; i += 8) Vector256.FusedMultiplyAdd(Vector256.Load(row + i), b, Vector256.Load(target + i) * a).Store(row + i);
            for (; i < hidden; i++) row[i] = row[i] * others + target[i] * own;
        }
    }
}
