using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Kernels;

/// <summary>
/// Memory of the tensors that kernels compute on the CPU: that of large ones stays with the process, as in PyTorch's allocator for CUDA. The C library's allocator (glibc's) cannot put an aligned block into a free one of its size, since it looks for one with
/// room to align, so that freed activations leave holes; and it returns large blocks to the system, whose page faults can take as long as the kernels.
/// </summary>
internal static unsafe class CachingAllocator
{
    private const nint MinBytes = 1 << 15;

    private static readonly BlockPool Pool = new();

    // LibTorchSharp's function that creates a tensor of memory which a callback frees with the tensor's storage; null if this version lacks it.
    private static readonly delegate* unmanaged[Cdecl]<nint, delegate* unmanaged[Cdecl]<nint, void>, long*, int, sbyte, sbyte, int, int, byte, nint> Create = Find();

    /// <summary>An uninitialized contiguous float32 tensor on the CPU.</summary>
    public static Tensor Empty(params ReadOnlySpan<long> shape)
    {
        nint bytes = sizeof(float);
        foreach (var size in shape) bytes = checked(bytes * (nint)size);
        if (bytes < MinBytes || Create is null || !TorchRuntime.Cpu.CachingAllocator) return empty(shape, ScalarType.Float32);
        nint memory, tensor;
        try
        {
            memory = Pool.Take(bytes);
        }
        catch (OutOfMemoryException)
        {
            return empty(shape, ScalarType.Float32);   // if this fails too, with torch's exception
        }
        const sbyte Type = (sbyte)ScalarType.Float32;
        fixed (long* sizes = shape) tensor = Create(memory, &Free, sizes, shape.Length, Type, Type, (int)DeviceType.CPU, -1, 0);
        if (tensor != 0) return Tensor.UnsafeCreateTensor(tensor);
        Pool.Give(memory);
        return empty(shape, ScalarType.Float32);
    }

    /// <summary>An uninitialized contiguous float32 tensor on the CPU, of the shape of another.</summary>
    public static Tensor EmptyLike(Tensor tensor) => Empty(tensor.Sizes());

    /// <inheritdoc cref="BlockPool.Hold"/>
    public static IDisposable Hold() => Pool.Hold();

    /// <inheritdoc cref="BlockPool.Trim"/>
    public static void Trim() => Pool.Trim();

    // Torch calls it on any thread.
    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void Free(nint memory) => Pool.Give(memory);

    private static delegate* unmanaged[Cdecl]<nint, delegate* unmanaged[Cdecl]<nint, void>, long*, int, sbyte, sbyte, int, int, byte, nint> Find()
    {
        TorchRuntime.Require();
        return NativeLibrary.TryLoad("LibTorchSharp", typeof(torch).Assembly, DllImportSearchPath.AssemblyDirectory | DllImportSearchPath.SafeDirectories, out var library)
               && NativeLibrary.TryGetExport(library, "THSTensor_new", out var function)
            ? (delegate* unmanaged[Cdecl]<nint, delegate* unmanaged[Cdecl]<nint, void>, long*, int, sbyte, sbyte, int, int, byte, nint>)function : null;
    }
}
