using static TorchSharp.torch;

namespace Peft;

/// <summary>Tensors of the sizes that were asked for would need more memory than the machine has. They were not allocated.</summary>
public sealed class NotEnoughMemoryException(string message) : PeftException(message)
{
    /// <summary>Refuses a tensor that the machine could not hold, before it is allocated: a system may promise memory that it does not have, and end the process.</summary>
    /// <param name="shape">Its shape.</param>
    /// <param name="type">Its type; the default type if null.</param>
    /// <param name="device">Where it is to lie; the CPU if null. Other devices refuse by themselves.</param>
    /// <exception cref="NotEnoughMemoryException">It does not fit.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A dimension is negative.</exception>
    public static void ThrowIfTooLarge(ReadOnlySpan<long> shape, ScalarType? type = null, Device? device = null) => MemoryBudget.Require(shape, type, device);
}
