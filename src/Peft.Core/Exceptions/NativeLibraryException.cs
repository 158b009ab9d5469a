using System.Text.RegularExpressions;

namespace Peft;

/// <summary>TorchSharp's native libraries are missing, or cannot run on this system.</summary>
public sealed partial class NativeLibraryException : PeftException
{
    private NativeLibraryException(string message, Exception inner) : base(message, inner) { }

    /// <summary>Creates the exception for a failure to load the native libraries, from any chain of exceptions that reports it.</summary>
    internal static NativeLibraryException From(Exception error) => new(MissingSymbol(error) switch
    {
        { Groups: var found } when found["symbol"].Value.StartsWith("GLIBCXX_", StringComparison.Ordinal) =>
            $"The C++ runtime of this system is too old for TorchSharp: {found["file"]} has no {found["symbol"]}. " +
            "Install libstdc++ of GCC 13 (GLIBCXX_3.4.32) or newer: './build.sh setup' of the Peft repository does so on Debian 12; on Ubuntu 22.04 " +
            "take the package libstdc++6 from ppa:ubuntu-toolchain-r/test; Debian 13, Ubuntu 24.04 and Fedora 38 have it.",
        { Groups: var found } =>
            $"This system is too old for TorchSharp: {found["file"]} has no {found["symbol"]}. Use a newer release of it, such as Debian 13 or Ubuntu 24.04.",
        null =>
            $"TorchSharp's native libraries cannot be loaded ({FirstLine(error)}). The application must provide them, not the library: add the package " +
            "TorchSharp-cpu, TorchSharp-cuda-linux or TorchSharp-cuda-windows, of TorchSharp's own version, to the project that runs.",
    }, error);

    /// <summary>Parses the symbol version that a shared library lacks from glibc's message; null for any other cause.</summary>
    internal static Match? MissingSymbol(Exception error)
        => Chain(error).Select(each => SymbolPattern().Match(each.Message)).FirstOrDefault(match => match.Success);

    private static string FirstLine(Exception error) => Chain(error).Last().Message.Split('\n', 2)[0].Trim();

    private static IEnumerable<Exception> Chain(Exception? error)
    {
        for (; error is not null; error = error.InnerException) yield return error;
    }

    [GeneratedRegex(@"(?<file>[^\s:]+): version `(?<symbol>[^']+)' not found")]
    private static partial Regex SymbolPattern();
}
