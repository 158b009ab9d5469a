using System.Runtime.InteropServices;
using TorchSharp;

namespace Peft;

/// <summary>
/// Loads TorchSharp's native libraries. Everything in this library that creates tensors calls it first. A program that creates tensors or
/// modules earlier can call <see cref="Require"/> itself, for the same clear error.
/// </summary>
public static class TorchRuntime
{
    private static volatile bool isLoaded;
    private static CpuOptions cpu = new();

    /// <summary>The techniques in use on the CPU, in the whole process. Change them between runs: a run that has begun may keep what it decided at its beginning.</summary>
    public static CpuOptions Cpu
    {
        get => cpu;
        set => cpu = value ?? throw new ArgumentNullException(nameof(value));
    }

    /// <summary>Loads the native libraries unless they are already loaded.</summary>
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

    // TorchSharp discards the loader's message and then copies hundreds of megabytes for a second attempt, so the loader is called first.
    private static void RequireSymbols()
    {
        try
        {
            NativeLibrary.Load("LibTorchSharp", typeof(torch).Assembly, DllImportSearchPath.AssemblyDirectory | DllImportSearchPath.SafeDirectories);
        }
        catch (DllNotFoundException error) when (NativeLibraryException.MissingSymbol(error) is null)
        {
            // TorchSharp searches more folders.
        }
    }
}
