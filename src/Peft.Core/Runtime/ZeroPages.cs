using System.Runtime.InteropServices;
using Peft.Kernels;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft;

/// <summary>Sets tensors to zero by returning their memory to the system, which gives zeros again at the next access.</summary>
internal static unsafe class ZeroPages
{
    private const long MinBytes = 1 << 20;   // below, writing zeros takes less time than page faults

    /// <summary>Sets a contiguous tensor, which owns its memory, to zero.</summary>
    public static void Fill(Tensor tensor)
    {
        var bytes = tensor.numel() * tensor.ElementSize;
        if (!TorchRuntime.Cpu.MemoryReturn || !OperatingSystem.IsLinux() || tensor.device_type != DeviceType.CPU || bytes < MinBytes)
        {
            FlatKernel.Clear(tensor);
            return;
        }
        var (start, size) = ((nuint)TensorAddress.Of(tensor), (nuint)Environment.SystemPageSize);
        var (first, last) = ((start + size - 1) / size * size, (start + (nuint)bytes) / size * size);
        NativeMemory.Clear((void*)start, first - start);
        if (!MemoryAdvice.Return(first, last - first)) NativeMemory.Clear((void*)first, last - first);
        NativeMemory.Clear((void*)last, start + (nuint)bytes - last);
        GC.KeepAlive(tensor);
    }
}
