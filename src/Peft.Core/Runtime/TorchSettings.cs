using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;

namespace Peft;

/// <summary>Sets environment variables that torch's native libraries read once, at first use. Variables that the user has set are kept.</summary>
internal static partial class TorchSettings
{
    [ModuleInitializer]
    [SuppressMessage("Usage", "CA2255", Justification = "A program may use torch before it calls this library, and then it is too late.")]
    internal static void Set()
    {
        if (!OperatingSystem.IsLinux()) return;
        LetThreadsSleep();
        GuardConvolutions();
        // Transparent huge pages for large tensors, with which the system allocates 475 MB of weights in a fraction of the time.
        Set("THP_MEM_ALLOC_ENABLE", "1");
    }

    // Torch's worker threads spin while they wait for work. Long spinning takes the cores from this library's own kernels: a training
    // step of a small model takes 25% longer.
    private static void LetThreadsSleep()
    {
        if (Environment.GetEnvironmentVariable("OMP_WAIT_POLICY") is null) Set("GOMP_SPINCOUNT", "5000");
    }

    // oneDNN computes torch's convolutions in blocks that depend on the processor's cache sizes. Some virtual machines hide these sizes. With
    // AVX2 and wider, input gradients with few channels are then wrong: with oneDNN 3.7.1 in 125 of 400 random convolutions,
    // with its AVX kernels in none.
    private static void GuardConvolutions()
    {
        if (!X86Base.IsSupported || KnowsCaches(4) || KnowsCaches(unchecked((int)0x8000001D))) return;
        if (Environment.GetEnvironmentVariable("DNNL_MAX_CPU_ISA") is null) Set("ONEDNN_MAX_CPU_ISA", "AVX");
    }

    // CPUID cache leaf of Intel or AMD: the type of the first cache is nonzero if caches are reported.
    private static bool KnowsCaches(int leaf)
    {
        var highest = X86Base.CpuId(leaf < 0 ? unchecked((int)0x80000000) : 0, 0).Eax;
        return (uint)highest >= (uint)leaf && (X86Base.CpuId(leaf, 0).Eax & 31) != 0;
    }

    private static void Set(string name, string value)
    {
        try
        {
            SetEnvironment(name, value, 0);
        }
        catch (Exception error) when (error is DllNotFoundException or EntryPointNotFoundException)
        {
            // A system without this C library also uses other native libraries, whose defaults apply.
        }
    }

    // .NET keeps its own copy of the environment. Native code sees only variables set by the C library.
    [LibraryImport("libc", EntryPoint = "setenv", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int SetEnvironment(string name, string value, int overwrite);
}
