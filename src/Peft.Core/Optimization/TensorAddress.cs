using System.Reflection;
using static TorchSharp.torch;

namespace Peft;

/// <summary>Address of a tensor's first element, on any device. TorchSharp has this function but does not expose it for all dtypes.</summary>
internal static class TensorAddress
{
    private static readonly Func<IntPtr, IntPtr> Native = Find();

    public static IntPtr Of(Tensor tensor)
    {
        var address = Native(tensor.Handle);
        GC.KeepAlive(tensor);
        return address;
    }

    private static Func<IntPtr, IntPtr> Find()
        => typeof(Tensor).Assembly.GetType("TorchSharp.PInvoke.NativeMethods")?
               .GetMethod("THSTensor_data", BindingFlags.Static | BindingFlags.NonPublic | BindingFlags.Public, [typeof(IntPtr)])?
               .CreateDelegate<Func<IntPtr, IntPtr>>()
           ?? throw new PeftException("This version of TorchSharp has no function THSTensor_data: use the version with which Peft was built.");
}
