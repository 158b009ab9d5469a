using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using static TorchSharp.torch;

namespace Peft.Kernels;

/// <summary>s·(A₁·B₁)∘(A₂·B₂) for A <c>[rows, rank]</c> and B <c>[rank, columns]</c>, as one node of the autograd graph. Products of a block of rows stay in the cache. On the CPU in float32.</summary>
internal sealed unsafe class HadamardKernel : GraphNode<HadamardKernel>
{
    private const int Lanes = SmallProduct.MinColumns, Block = 32;

    /// <summary>True if the kernel supports such factors.</summary>
    public static bool Supports(Tensor a1, Tensor b1, Tensor a2, Tensor b2) => TorchRuntime.Cpu.LowRankProducts && TensorMemory.Supports(a1, b1, a2, b2) && b1.size(1) % Lanes == 0 && a1.size(0) * b1.size(1) <= int.MaxValue;

    public static Tensor Run(Tensor a1, Tensor b1, Tensor a2, Tensor b2, double scale)
    {
        var (left, right, otherLeft, otherRight) = (a1.AsContiguous(), b1.AsContiguous(), a2.AsContiguous(), b2.AsContiguous());
        return TensorMemory.RequiresGrad(left, right, otherLeft, otherRight) ? Record(left, right, otherLeft, otherRight, (float)scale)[0] : Multiply(left, right, otherLeft, otherRight, (float)scale);
    }

    protected override Tensor[] Forward(autograd.AutogradContext context, object[] arguments)
    {
        var (a1, b1, a2, b2, scale) = ((Tensor)arguments[0], (Tensor)arguments[1], (Tensor)arguments[2], (Tensor)arguments[3], (float)arguments[4]);
        context.save_data(nameof(scale), scale);
        context.save_for_backward([a1, b1, a2, b2]);
        return [Multiply(a1, b1, a2, b2, scale)];
    }

    protected override Tensor?[] Backward(autograd.AutogradContext context, Tensor[] gradients)
    {
        var saved = context.get_saved_variables();
        Tensor[] sums = [.. saved.Select(CachingAllocator.EmptyLike)];
        Differentiate(saved, gradients[0], (float)context.get_data("scale"), sums);
        return [.. sums, null];
    }

    private static Tensor Multiply(Tensor a1, Tensor b1, Tensor a2, Tensor b2, float scale)
    {
        var (rows, columns, r1, r2) = ((int)a1.size(0), (int)b1.size(1), (int)a1.size(1), (int)a2.size(1));
        var result = CachingAllocator.Empty(rows, columns);
        var (left, right, otherLeft, otherRight, to) = (TensorAddress.Of(a1), TensorAddress.Of(b1), TensorAddress.Of(a2), TensorAddress.Of(b2), TensorAddress.Of(result));
        TensorMemory.InShares(rows, (_, start, count) =>
        {
            using var memory = new Scratch(Block * columns);
            for (var row = start; row < start + count; row += Block)
            {
                var some = Math.Min(Block, start + count - row);
                var y = (float*)to + (nint)row * columns;
                TileProducts.Run((float*)left + (nint)row * r1, r1, 1, (float*)right, columns, memory.Memory, columns, some, r1, columns);
                TileProducts.Run((float*)otherLeft + (nint)row * r2, r2, 1, (float*)otherRight, columns, y, columns, some, r2, columns);
                Combine(memory.Memory, y, scale, some * columns);
            }
        });
        foreach (var tensor in new[] { a1, b1, a2, b2 }) GC.KeepAlive(tensor);
        return result;
    }

    // With H₁ = s·G∘(A₂·B₂): dL/dA₁ = H₁·B₁ᵀ and dL/dB₁ = A₁ᵀ·H₁.
    private static void Differentiate(IReadOnlyList<Tensor> factors, Tensor gradient, float scale, Tensor[] sums)
    {
        var (a1, b1, a2, b2) = (factors[0], factors[1], factors[2], factors[3]);
        var (rows, columns, r1, r2) = ((int)a1.size(0), (int)b1.size(1), (int)a1.size(1), (int)a2.size(1));
        var (wide1, wide2) = (Wide(r1), Wide(r2));
        var size = (r1 + r2) * columns;   // of the gradients of B₁ and B₂
        using var memory = new Scratch((wide1 + wide2) * (columns + rows) + size * get_num_threads());
        float* turned1 = memory.Take(columns * wide1), turned2 = memory.Take(columns * wide2), ofA1 = memory.Take(rows * wide1), ofA2 = memory.Take(rows * wide2), ofB = memory.Take(size * get_num_threads());
        var (left, right, otherLeft, otherRight, g) = (TensorAddress.Of(a1), TensorAddress.Of(b1), TensorAddress.Of(a2), TensorAddress.Of(b2), TensorAddress.Of(gradient));
        Turn((float*)right, r1, columns, turned1);
        Turn((float*)otherRight, r2, columns, turned2);
        var (t1, t2, s1, s2, sb) = ((nint)turned1, (nint)turned2, (nint)ofA1, (nint)ofA2, (nint)ofB);
        var shares = TensorMemory.InShares(rows, (share, start, count) =>
        {
            using var own = new Scratch(2 * Block * columns);
            float* h1 = own.Take(Block * columns), h2 = own.Take(Block * columns), sum = (float*)sb + (nint)share * size;
            for (var row = start; row < start + count; row += Block)
            {
                var some = Math.Min(Block, start + count - row);
                float* a = (float*)left + (nint)row * r1, b = (float*)otherLeft + (nint)row * r2;
                TileProducts.Run(a, r1, 1, (float*)right, columns, h2, columns, some, r1, columns);
                TileProducts.Run(b, r2, 1, (float*)otherRight, columns, h1, columns, some, r2, columns);
                Scale((float*)g + (nint)row * columns, h1, h2, scale, some * columns);
                TileProducts.Run(h1, columns, 1, (float*)t1, wide1, (float*)s1 + (nint)row * wide1, wide1, some, columns, wide1);
                TileProducts.Run(h2, columns, 1, (float*)t2, wide2, (float*)s2 + (nint)row * wide2, wide2, some, columns, wide2);
                TileProducts.Run(a, 1, r1, h1, columns, sum, columns, r1, some, columns, add: row > start);
                TileProducts.Run(b, 1, r2, h2, columns, sum + r1 * columns, columns, r2, some, columns, add: row > start);
            }
        });
        for (var share = 1; share < shares; share++) FactoredProduct.AddRow(ofB, ofB + (nint)share * size, 1, size);
        CopyRows(ofA1, wide1, sums[0], r1);
        CopyRows(ofB, r1 * columns, sums[1], r1 * columns);
        CopyRows(ofA2, wide2, sums[2], r2);
        CopyRows(ofB + r1 * columns, r2 * columns, sums[3], r2 * columns);
        foreach (var tensor in factors.Append(gradient)) GC.KeepAlive(tensor);
    }

    // A rank, padded to whole vectors.
    private static int Wide(int rank) => (rank + Lanes - 1) / Lanes * Lanes;

    private static void CopyRows(float* from, int row, Tensor to, int size)
    {
        var values = to.Floats();
        for (var at = 0; at < values.Length; at += size, from += row) new Span<float>(from, size).CopyTo(values.Slice(at, size));
    }

    // The transpose of [rank, columns], with rows that are padded by zeros.
    [MethodImpl(JitOptions.Loop)]
    private static void Turn(float* from, int rank, int columns, float* to)
    {
        var wide = Wide(rank);
        for (var column = 0; column < columns; column++, to += wide)
        {
            for (var r = 0; r < rank; r++) to[r] = from[(nint)r * columns + column];
            for (var r = rank; r < wide; r++) to[r] = 0;
        }
    }

    // y ← s·x∘y
    [MethodImpl(JitOptions.Loop)]
    private static void Combine(float* x, float* y, float scale, int count)
    {
        var factor = Vector256.Create(scale);
        for (var i = 0; i < count; i += Lanes) (factor * Vector256.Load(x + i) * Vector256.Load(y + i)).Store(y + i);
    }

    // x ← s·g∘x, y ← s·g∘y
    [MethodImpl(JitOptions.Loop)]
    private static void Scale(float* g, float* x, float* y, float scale, int count)
    {
        var factor = Vector256.Create(scale);
        for (var i = 0; i < count; i += Lanes)
        {
            var slope = factor * Vector256.Load(g + i);
            (slope * Vector256.Load(x + i)).Store(x + i);
            (slope * Vector256.Load(y + i)).Store(y + i);
        }
    }
}
