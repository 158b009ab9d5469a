using System.Runtime.Intrinsics;

namespace Peft.Quantization.Kernels;

/// <summary>A type of GGUF's blocks.</summary>
internal unsafe interface IGgufBlock
{
    /// <summary>The scale of a block, and what is added or its scale; 0 if the type has none.</summary>
    static abstract (float Scale, float Offset) Open(byte* block);

    /// <summary>Sixteen values of a block.</summary>
    /// <param name="block">The block.</param>
    /// <param name="index">Index of the sixteen.</param>
    /// <param name="scale">Its scale.</param>
    /// <param name="offset">What is added or its scale.</param>
    static abstract T Sixteen<T>(byte* block, int index, float scale, float offset) where T : unmanaged, ISixteen<T>;
}
