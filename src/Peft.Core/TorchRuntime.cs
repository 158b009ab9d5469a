using System.Runtime.InteropServices;
using TorchSharp;

namespace Peft;

/// <summary>
/// The native libraries behind TorchSharp. What makes tensors in this library asks for them first; a program that makes tensors or
/// modules of its own before may ask as well, for the same clear error.
/// </summary>
public static class TorchRuntime
{
    private static volatile bool isLoaded;

    /// <summary>Loads the native libraries if they are not loaded yet.</summary>
    /// <exception cref="NativeLibraryException">They are missing, or cannot run on this system.</exception>
    public static void Require()
    {
        if (isLoaded) return;
        try
        {
            if (OperatingSystem.IsLinux()) RequireSymbols();
            torch.InitializeDeviceType(DeviceType.CPU);
        }
        catch (Exception error) when (error is TypeInitializationException or DllNotFoundException or BadImageFormatException or NotSupportedException)
        {
            throw NativeLibraryException.From(error);
        }
        isLoaded = true;
    }

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
