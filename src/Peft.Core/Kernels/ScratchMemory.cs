using System.Runtime.InteropServices;

namespace Peft.Kernels;

/// <summary>Memory that a thread keeps for <see cref="Scratch"/>: a training step takes hundreds of ranges, and the system's allocator takes up to a microsecond for each.</summary>
internal sealed unsafe class ScratchMemory
{
    private const int Floats = 1 << 18, Alignment = 64;

    [ThreadStatic] private static ScratchMemory? ofThread;

    private readonly float* start = Allocate(Floats);
    private int taken;

    private ScratchMemory() { }

    // The thread has ended.
    ~ScratchMemory() => Free(start);

    /// <summary>The memory of the current thread.</summary>
    public static ScratchMemory OfThread => ofThread ??= new();

    /// <summary>Allocates memory, aligned to cache lines.</summary>
    public static float* Allocate(int floats) => (float*)NativeMemory.AlignedAlloc((nuint)floats * sizeof(float), Alignment);

    /// <summary>Frees memory from <see cref="Allocate"/>.</summary>
    public static void Free(float* memory) => NativeMemory.AlignedFree(memory);

    /// <summary>Takes a range; null if there is not enough memory left.</summary>
    public float* Take(int floats)
    {
        if (floats > Floats - taken) return null;
        var range = start + taken;
        taken = (int)Math.Min(Floats, (taken + (long)floats + Alignment / sizeof(float) - 1) & -(Alignment / sizeof(float)));
        return range;
    }

    /// <summary>Returns a range and all that were taken after it.</summary>
    public void Return(float* range) => taken = (int)(range - start);
}
