using System.Runtime.InteropServices;

namespace Peft.Kernels;

/// <summary>Temporary memory of a kernel: a single allocation, from which <see cref="Take"/> returns consecutive ranges.</summary>
/// <param name="floats">Number of values.</param>
internal unsafe ref struct Scratch(int floats)
{
    private int taken;

    /// <summary>All values.</summary>
    public readonly float* Memory = (float*)NativeMemory.AlignedAlloc((nuint)floats * sizeof(float), 64);

    /// <summary>Takes the next values, uninitialized.</summary>
    public float* Take(int count)
    {
        var at = Memory + taken;
        taken += count;
        return at;
    }

    /// <summary>Takes the next values, initialized to zero.</summary>
    public float* Zeros(int count)
    {
        var at = Take(count);
        new Span<float>(at, count).Clear();
        return at;
    }

    /// <inheritdoc/>
    public readonly void Dispose() => NativeMemory.AlignedFree(Memory);
}
