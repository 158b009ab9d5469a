using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace Peft.Kernels;

/// <summary>Memory that a kernel will need soon.</summary>
internal static unsafe class Prefetch
{
    /// <summary>Fetches a cache line into the first level. The address may lie outside of any allocation. No effect on processors for which .NET has no such instruction.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Near(void* address)
    {
        if (Sse.IsSupported) Sse.Prefetch0(address);
    }
}
