using System.Runtime.InteropServices;
using TorchSharp;

namespace Peft;

/// <summary>
/// The native libraries behind TorchSharp. What makes tensors in this library asks for them first; a program that makes tensors or
/// modules of its own before may ask as well, for the same clear error.
/// </summary>
public static partial class TorchRuntime
{
    private static volatile bool isLoaded;

    /// <summary>Loads the native libraries if they are not loaded yet.</summary>
    /// <exception cref="NativeLibraryException">They are missing, or cannot run on this system.</exception>
    public static void Require()
    {
        if (isLoaded) return;
        try
        {
            if (OperatingSystem.IsLinux())
            {
                LetThreadsSleep();
                RequireSymbols();
            }
            torch.InitializeDeviceType(DeviceType.CPU);
        }
        catch (Exception error) when (error is TypeInitializationException or DllNotFoundException or BadImageFormatException or NotSupportedException)
        {
            throw NativeLibraryException.From(error);
        }
        isLoaded = true;
    }

    // Threads of torch that spin for long while they wait for work would take the cores from this library's own kernels: a training
    // step of a small model takes a quarter longer. The setting is read once, when the library is loaded; a user's own goes first.
    private static void LetThreadsSleep()
    {
        if (Environment.GetEnvironmentVariable("OMP_WAIT_POLICY") is null) SetEnvironment("GOMP_SPINCOUNT", "5000", 0);
    }

    // .NET keeps variables to itself: native code sees only those set by the C library.
    [LibraryImport("libc", EntryPoint = "setenv", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int SetEnvironment(string name, string value, int overwrite);

    // TorchSharp swallows what the loader says, and then copies hundreds of megabytes to try again: ask the loader before it does.
    private static void RequireSymbols()
    {
        try
        {
            NativeLibrary.Load("LibTorchSharp", typeof(torch).Assembly, DllImportSearchPath.AssemblyDirectory | DllImportSearchPath.SafeDirectories);
        }
        catch (DllNotFoundException error) when (NativeLibraryException.MissingSymbol(error) is null)
        {
            // TorchSharp knows more places to look in.
        }
    }
}
