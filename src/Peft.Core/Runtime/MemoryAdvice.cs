using System.Runtime.InteropServices;

namespace Peft;

/// <summary>Tells Linux how ranges of memory are used.</summary>
internal static partial class MemoryAdvice
{
    // MADV_DONTNEED and MADV_HUGEPAGE, on every processor that .NET supports.
    private const int DontNeed = 4, HugePage = 14;

    /// <summary>Returns the whole pages of a range to the system, which gives zeros again at the next access. False if the system refuses, as it does for locked memory, or is not Linux.</summary>
    public static bool Return(nuint first, nuint length) => OperatingSystem.IsLinux() && Advise(first, length, DontNeed) == 0;

    /// <summary>Asks for pages of 2 MiB: a page fault for each, not for every 4 KiB.</summary>
    public static void UseLargePages(nuint first, nuint length)
    {
        if (OperatingSystem.IsLinux()) _ = Advise(first, length, HugePage);
    }

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int Advise(nuint address, nuint length, int advice);
}
