using Peft.Quantization.Gguf;

namespace Peft.Quantization.Kernels;

/// <summary>Values of <see cref="GgufMatrix"/>, whose rows are whole blocks.</summary>
internal sealed unsafe class GgufReader<TBlock>(byte* bytes, GgufType type, long columns) : ValueReader where TBlock : IGgufBlock
{
    public override void Read<T>(long row, int column, int count, float* to)
    {
        var (size, length) = (type.BlockSize, type.BlockBytes);
        var block = bytes + (row * columns + column) / size * length;
        for (var i = 0; i < count; i += size, block += length, to += size) TBlock.Read<T>(block, to);
    }
}
