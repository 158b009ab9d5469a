namespace Peft.Kernels;

/// <summary>Temporary memory of a kernel: a range of its thread's memory, from which <see cref="Take"/> returns consecutive ranges. Ranges end in the reverse order of their creation.</summary>
internal unsafe ref struct Scratch
{
    private readonly ScratchMemory? memory;   // null for an allocation of its own
    private int taken;

    /// <summary>Takes the memory.</summary>
    /// <param name="floats">Number of values.</param>
    public Scratch(int floats)
    {
        memory = ScratchMemory.OfThread;
        Memory = memory.Take(floats);
        if (Memory is not null) return;
        memory = null;
        Memory = ScratchMemory.Allocate(floats);
    }

    /// <summary>All values.</summary>
    public readonly float* Memory;

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
    public readonly void Dispose()
    {
        if (memory is not null) memory.Return(Memory);
        else ScratchMemory.Free(Memory);
    }
}
