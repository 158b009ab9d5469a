using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace Peft.Kernels;

/// <summary>Prefetches memory that a kernel will need soon.</summary>
internal static unsafe class Prefetch
{
    /// <summary>Fetches a cache line into the L1 cache. The address may be outside any allocation. No effect on processors for which .NET has no such instruction.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Near(void* address)
    {
        if (Sse.IsSupported) Sse.Prefetch0(address);
    }

    /// <summary>The same into the L2 cache: for memory that is needed so much later that the L1 cache would lose it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Far(void* address)
    {
        if (Sse.IsSupported) Sse.Prefetch1(address);
    }
}
