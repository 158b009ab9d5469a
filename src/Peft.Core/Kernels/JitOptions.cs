using System.Runtime.CompilerServices;

namespace Peft.Kernels;

/// <summary>How the just-in-time compiler treats a kernel.</summary>
internal static class JitOptions
{
    /// <summary>
    /// Compiles a loop by itself, with all optimizations. If the compiler put it into its caller, it could exceed its limit there and call the operations on vectors one by one, many times slower; with dynamic profiles, that differs
    /// from run to run.
    /// </summary>
    public const MethodImplOptions Loop = MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining;
}
