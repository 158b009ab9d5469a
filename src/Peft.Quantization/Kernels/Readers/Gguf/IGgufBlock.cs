namespace Peft.Quantization.Kernels;

/// <summary>A type of GGUF's blocks.</summary>
internal unsafe interface IGgufBlock
{
    /// <summary>The values of a block.</summary>
    static abstract void Read<T>(byte* block, float* to) where T : unmanaged, ISixteen<T>;
}
