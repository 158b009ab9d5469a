using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Kernels;

/// <summary>
/// Attention of a decode step: one new position per row over a KV cache, to which its keys and values are added, including the rotary embedding; or of all positions of prompts. On the CPU in float32, without
/// gradients. A single call replaces about fifteen torch operations.
/// </summary>
internal static unsafe class DecodeAttention
{
    private const int Worthwhile = 1 << 14;   // number of multiplications below which a second thread does not pay off

    /// <summary>True if the kernel supports such tensors.</summary>
    public static bool Supports(Tensor q, Tensor k, Tensor v, int size) => size % 8 == 0 && TensorMemory.Supports(q, k, v) && !TensorMemory.RequiresGrad(q, k, v);

    /// <param name="q"><c>[batch, 1, heads, size]</c></param>
    /// <param name="k"><c>[batch, 1, key/value heads, size]</c></param>
    /// <param name="v"><c>[batch, 1, key/value heads, size]</c></param>
    /// <param name="keys">The key cache, <c>[batch, key/value heads, capacity, size]</c>; the new keys are written into it.</param>
    /// <param name="values">The value cache, likewise.</param>
    /// <param name="past">Number of positions already in the cache.</param>
    /// <param name="shape">Sizes and settings.</param>
    /// <param name="cosine">Cosines of the new position's angles, <c>[rotated]</c> or <c>[batch, rotated]</c> in any shape; null without a rotary embedding.</param>
    /// <param name="sine">Sines, with the sign of their half.</param>
    /// <param name="firsts">The first position of each row, if padding precedes it; null if all begin at 0.</param>
    /// <param name="prompts">Lengths of prompts whose positions are the rows of queries, keys and values, one after another. Each is a row of the cache, which ends where the longest does. Null for a decode step.</param>
    /// <returns><c>[batch, 1, heads · size]</c></returns>
    public static Tensor Run(Tensor q, Tensor k, Tensor v, Tensor keys, Tensor values, int past, AttentionShape shape, Tensor? cosine, Tensor? sine, IReadOnlyList<int>? firsts = null, IReadOnlyList<int>? prompts = null)
    {
        // Derives sizes from element counts: a TorchSharp shape query costs as much as a small operation.
        var batch = (int)(q.numel() / (shape.Heads * shape.Size));
        var room = (int)(keys.numel() / ((long)(prompts?.Count ?? batch) * shape.KeyValueHeads * shape.Size));
        var output = empty([batch, 1, shape.Heads * shape.Size], ScalarType.Float32);
        using var queries = q.contiguous();
        using var newKeys = k.contiguous();
        using var newValues = v.contiguous();
        using var c = cosine?.contiguous();
        using var s = sine?.contiguous();
        fixed (float* qs = queries.Floats(), ks = newKeys.Floats(), vs = newValues.Floats(), allKeys = keys.Floats(), allValues = values.Floats(),
               os = output.Floats(), cs = c is null ? [] : c.Floats(), ss = s is null ? [] : s.Floats())
        {
            var heads = new DecodeHeads(qs, ks, vs, shape.Heads * shape.Size, shape.KeyValueHeads * shape.Size, shape.Size);
            Run(heads, allKeys, allValues, os, batch, past, room, shape, cs, ss, c is not null && c.numel() > shape.Rotated, firsts, prompts);
        }
        return output;
    }

    /// <inheritdoc cref="Run(Tensor, Tensor, Tensor, Tensor, Tensor, int, AttentionShape, Tensor, Tensor, IReadOnlyList{int}, IReadOnlyList{int})"/>
    /// <param name="heads">The queries, keys and values of the new position.</param>
    /// <param name="keys">The key cache.</param>
    /// <param name="values">The value cache.</param>
    /// <param name="output">Takes the result <c>[batch, heads · size]</c>.</param>
    /// <param name="batch">Number of rows.</param>
    /// <param name="past">Number of positions already in the cache.</param>
    /// <param name="room">Number of positions for which the cache has room.</param>
    /// <param name="shape">Sizes and settings.</param>
    /// <param name="cosine">Cosines <c>[rotated]</c> or <c>[batch, rotated]</c>; null without a rotary embedding.</param>
    /// <param name="sine">Sines, likewise.</param>
    /// <param name="anglesByRow">True if each row has angles of its own.</param>
    /// <param name="firsts">The first position of each row; null if all begin at 0.</param>
    /// <param name="prompts">Lengths of prompts; null for a decode step.</param>
    public static void Run(DecodeHeads heads, float* keys, float* values, float* output, int batch, int past, int room, AttentionShape shape, float* cosine, float* sine, bool anglesByRow, IReadOnlyList<int>? firsts, IReadOnlyList<int>? prompts = null)
    {
        var end = prompts?.Max() ?? past + 1;
        var step = new Step(shape, heads, end, room, (nint)cosine, (nint)sine, anglesByRow ? shape.Rotated : 0, firsts, prompts);
        var (allKeys, allValues, to) = ((nint)keys, (nint)values, (nint)output);
        var parts = (prompts?.Count ?? batch) * shape.KeyValueHeads;
        void Part(int i) => step.Run(i, (float*)allKeys, (float*)allValues, (float*)to);
        if ((long)batch * shape.Heads * shape.Size * end < Worthwhile)
            for (var i = 0; i < parts; i++) Part(i);
        else
            TensorMemory.Parallel(parts, Part);
    }

    private sealed class Step(AttentionShape shape, DecodeHeads heads, int end, int room, nint cosine, nint sine, int angles, IReadOnlyList<int>? firsts, IReadOnlyList<int>? prompts)
    {
        // The first new position of each row.
        private readonly int[]? starts = prompts is null ? null : Starts(prompts);

        /// <summary>Processes the queries of one row that share a key/value head.</summary>
        public void Run(int part, float* keys, float* values, float* output)
        {
            var size = shape.Size;
            var (row, shared) = (part / shape.KeyValueHeads, part % shape.KeyValueHeads);
            var (start, count) = prompts is null ? (row, 1) : (starts![row], prompts[row]);
            keys += (long)part * room * size;
            values += (long)part * room * size;
            // Masked positions still take part in torch's products and must be finite.
            if (prompts is not null)
            {
                new Span<float>(keys, (end - count) * size).Clear();
                new Span<float>(values, (end - count) * size).Clear();
            }
            var scratch = (float*)NativeMemory.AlignedAlloc((nuint)((end + 7) / 8 * 8 + size) * sizeof(float), 32);
            for (var i = 0; i < count; i++)
            {
                var at = end - count + i;
                Add(start + i, shared, keys + (long)at * size, values + (long)at * size);
                var low = prompts is not null ? end - count : firsts?[row] ?? 0;
                if (shape.Window is { } window) low = Math.Max(low, at - window + 1);
                Attend(start + i, shared, keys + (long)low * size, values + (long)low * size, at + 1 - low, output, scratch);
            }
            NativeMemory.AlignedFree(scratch);
        }

        private static int[] Starts(IReadOnlyList<int> lengths)
        {
            var starts = new int[lengths.Count];
            for (var row = 1; row < starts.Length; row++) starts[row] = starts[row - 1] + lengths[row - 1];
            return starts;
        }

        // Adds a position's key and value to the cache.
        private void Add(int position, int shared, float* key, float* value)
        {
            var from = (nint)position * heads.KeyRow + shared * heads.Head;
            Rotate(heads.Keys + from, key, position, 1);
            new ReadOnlySpan<float>(heads.Values + from, shape.Size).CopyTo(new Span<float>(value, shape.Size));
        }

        // A position's queries that share a key/value head, over some keys.
        private void Attend(int position, int shared, float* keys, float* values, int count, float* output, float* scratch)
        {
            var (size, group, padded) = (shape.Size, shape.Heads / shape.KeyValueHeads, (count + 7) / 8 * 8);
            var query = scratch + padded;
            var to = output + ((long)position * shape.Heads + shared * group) * size;
            for (var head = shared * group; head < (shared + 1) * group; head++, to += size)
            {
                Rotate(heads.Queries + (nint)position * heads.QueryRow + head * heads.Head, query, position, shape.Scale);
                Score(query, keys, count, size, scratch);
                new Span<float>(scratch + count, padded - count).Fill(float.NegativeInfinity);
                var sum = Exponentiate(scratch, padded);
                Mix(scratch, values, count, size, 1 / sum, to);
            }
        }

        // x → x·cos + swap(x)·sin over the rotated dimensions.
        private void Rotate(float* from, float* to, int row, float scale)
        {
            var half = shape.Rotated / 2;
            float* c = (float*)cosine + row * angles, s = (float*)sine + row * angles;
            for (var d = 0; d < half; d++)
            {
                var (first, second) = (from[d], from[half + d]);
                to[d] = (first * c[d] + second * s[d]) * scale;
                to[half + d] = (second * c[half + d] + first * s[half + d]) * scale;
            }
            for (var d = shape.Rotated; d < shape.Size; d++) to[d] = from[d] * scale;
        }
    }

    [MethodImpl(JitOptions.Loop)]
    private static void Score(float* query, float* keys, int count, int size, float* scores)
    {
        for (var j = 0; j < count; j++, keys += size)
        {
            var sum = Vector256.Load(query) * Vector256.Load(keys);
            for (var d = 8; d < size; d += 8) sum = Vector256.FusedMultiplyAdd(Vector256.Load(query + d), Vector256.Load(keys + d), sum);
            scores[j] = Vector256.Sum(sum);
        }
    }

    [MethodImpl(JitOptions.Loop)]
    private static float Exponentiate(float* scores, int count)
    {
        var most = Vector256.Load(scores);
        for (var j = 8; j < count; j += 8) most = Vector256.MaxNative(most, Vector256.Load(scores + j));
        var maximum = most[0];
        for (var i = 1; i < 8; i++) maximum = MathF.Max(maximum, most[i]);
        var (offset, sums) = (Vector256.Create(maximum), Vector256<float>.Zero);
        for (var j = 0; j < count; j += 8)
        {
            var e = Exponential.Of(Vector256.Load(scores + j) - offset);
            e.Store(scores + j);
            sums += e;
        }
        return Vector256.Sum(sums);
    }

    [MethodImpl(JitOptions.Loop)]
    private static void Mix(float* weights, float* values, int count, int size, float scale, float* output)
    {
        var d = 0;
        // Four columns of vectors at a time: their sums hide each other's latency.
        for (; d + 32 <= size; d += 32)
        {
            Vector256<float> e0 = default, e1 = default, e2 = default, e3 = default, o0 = default, o1 = default, o2 = default, o3 = default;
            var at = values + d;
            var j = 0;
            for (; j + 2 <= count; j += 2, at += 2 * size)
            {
                Vector256<float> first = Vector256.Create(weights[j]), second = Vector256.Create(weights[j + 1]);
                e0 = Vector256.FusedMultiplyAdd(first, Vector256.Load(at), e0);
                e1 = Vector256.FusedMultiplyAdd(first, Vector256.Load(at + 8), e1);
                e2 = Vector256.FusedMultiplyAdd(first, Vector256.Load(at + 16), e2);
                e3 = Vector256.FusedMultiplyAdd(first, Vector256.Load(at + 24), e3);
                o0 = Vector256.FusedMultiplyAdd(second, Vector256.Load(at + size), o0);
                o1 = Vector256.FusedMultiplyAdd(second, Vector256.Load(at + size + 8), o1);
                o2 = Vector256.FusedMultiplyAdd(second, Vector256.Load(at + size + 16), o2);
                o3 = Vector256.FusedMultiplyAdd(second, Vector256.Load(at + size + 24), o3);
            }
            if (j < count)
            {
                var first = Vector256.Create(weights[j]);
                e0 = Vector256.FusedMultiplyAdd(first, Vector256.Load(at), e0);
                e1 = Vector256.FusedMultiplyAdd(first, Vector256.Load(at + 8), e1);
                e2 = Vector256.FusedMultiplyAdd(first, Vector256.Load(at + 16), e2);
                e3 = Vector256.FusedMultiplyAdd(first, Vector256.Load(at + 24), e3);
            }
            ((e0 + o0) * scale).Store(output + d);
            ((e1 + o1) * scale).Store(output + d + 8);
            ((e2 + o2) * scale).Store(output + d + 16);
            ((e3 + o3) * scale).Store(output + d + 24);
        }
        for (; d < size; d += 8)
        {
            Vector256<float> even = default, odd = default;
            var at = values + d;
            var j = 0;
            for (; j + 2 <= count; j += 2, at += 2 * size)
            {
                even = Vector256.FusedMultiplyAdd(Vector256.Create(weights[j]), Vector256.Load(at), even);
                odd = Vector256.FusedMultiplyAdd(Vector256.Create(weights[j + 1]), Vector256.Load(at + size), odd);
            }
            if (j < count) even = Vector256.FusedMultiplyAdd(Vector256.Create(weights[j]), Vector256.Load(at), even);
            ((even + odd) * scale).Store(output + d);
        }
    }
}
