using System.Runtime.CompilerServices;
using Peft.Kernels;

namespace Peft.Quantization.Kernels;

/// <summary>The scale of each block: as it is, or from 8 bits with scales of its own (double quantization).</summary>
/// <param name="scales">The scales; null if they are quantized.</param>
/// <param name="codes">Their codes.</param>
/// <param name="table">The 256 values of the codes.</param>
/// <param name="nested">The scales of the scales.</param>
/// <param name="nestedSize">Scales per scale.</param>
/// <param name="offset">The offset added to all.</param>
internal readonly unsafe struct BlockScales(float* scales, byte* codes = null, float* table = null, float* nested = null, int nestedSize = 1, float offset = 0)
{
    /// <summary>Fetches the scale of a block into the cache. The block may be beyond the last.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Fetch(nint block) => Prefetch.Near(scales != null ? scales + block : codes + block);

    /// <summary>The scale of a block.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public float Of(nint block) => scales != null ? scales[block] : table[codes[block]] * nested[block / nestedSize] + offset;
}
