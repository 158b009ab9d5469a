using Microsoft.Win32.SafeHandles;
using Peft.Checkpoints;
using Peft.Gguf;
using static TorchSharp.torch;

namespace Peft.Quantization.Gguf;

/// <summary>An open GGUF file, whose tensors are read one at a time.</summary>
internal sealed class GgufFile : IDisposable
{
    private readonly SafeFileHandle handle;
    private readonly long length;

    private GgufFile(GgufHeader header, SafeFileHandle handle) => (Header, this.handle, length) = (header, handle, RandomAccess.GetLength(handle));

    /// <summary>The metadata and the descriptions of the tensors.</summary>
    public GgufHeader Header { get; }

    /// <summary>Opens a file.</summary>
    /// <exception cref="CheckpointException">The file is missing or damaged.</exception>
    public static GgufFile Open(string path)
    {
        var header = GgufHeader.Read(path);
        try
        {
            return new(header, File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete));
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new CheckpointException(path, $"cannot be read ({error.Message})", error);
        }
    }

    /// <summary>The type of a tensor.</summary>
    public GgufType TypeOf(string name) => GgufType.Of(Find(name).Type, name);

    /// <summary>Reads a tensor as its bytes, <c>[rows, bytes]</c> with all dimensions but the fastest as rows.</summary>
    /// <exception cref="CheckpointException">The tensor is missing, or the file is truncated.</exception>
    /// <exception cref="QuantizationException">The type is not supported, rows are not whole blocks, or scales are not finite.</exception>
    public Tensor ReadBytes(string name, Device device)
    {
        var (tensor, type) = (Find(name), TypeOf(name));
        var columns = tensor.Shape[^1];
        if (columns % type.BlockSize != 0) throw new QuantizationException($"Tensor '{name}' has rows of {columns} values, which are not whole blocks of the type {type}: the file is damaged.");
        var rows = tensor.Shape.SkipLast(1).Aggregate(1L, (a, b) => a * b);
        return Fill(tensor, rows * (columns / type.BlockSize), type, ScalarType.Byte).view(rows, -1).to(device);
    }

    /// <summary>Reads a tensor in float32, in its shape.</summary>
    /// <exception cref="CheckpointException">As for <see cref="ReadBytes"/>.</exception>
    /// <exception cref="QuantizationException">As for <see cref="ReadBytes"/>.</exception>
    public Tensor Read(string name, Device device)
    {
        using var scope = NewDisposeScope();
        var (tensor, type) = (Find(name), TypeOf(name));
        long[] shape = [.. tensor.Shape];
        if (type.IsFloat)
        {
            var values = Fill(tensor, shape.Aggregate(1L, (a, b) => a * b), type, type.Name switch { "F32" => ScalarType.Float32, "F16" => ScalarType.Float16, _ => ScalarType.BFloat16 });
            return values.to(device).to_type(ScalarType.Float32).view(shape).MoveToOuterDisposeScope();
        }
        using var matrix = new GgufMatrix(ReadBytes(name, device), shape[^1], type);
        return matrix.Dequantize().view(shape).MoveToOuterDisposeScope();
    }

    /// <summary>Closes the file.</summary>
    public void Dispose() => handle.Dispose();

    // The given number of blocks as a flat tensor.
    private Tensor Fill(GgufTensor tensor, long blocks, GgufType type, ScalarType dtype)
    {
        if ((Int128)blocks * type.BlockBytes > length - tensor.Offset) throw new CheckpointException(Header.Path, $"tensor '{tensor.Name}' ends past the end of the file: it is truncated.");
        var size = dtype == ScalarType.Byte ? 1 : type.BlockBytes;
        var flat = empty(blocks * (type.BlockBytes / size), dtype, CPU);
        TensorChunks.ForEachInParallel(flat, size, (part, start) =>
        {
            var bytes = part.bytes;
            for (long at = tensor.Offset + start; bytes.Length > 0;)
            {
                var count = RandomAccess.Read(handle, bytes, at);
                if (count == 0) throw new CheckpointException(Header.Path, "was truncated while it was open.");
                bytes = bytes[count..];
                at += count;
            }
            if (!type.HasFiniteScales(part.bytes, start)) throw new QuantizationException($"Tensor '{tensor.Name}' holds scales that are not finite: the file is damaged.");
        });
        return flat;
    }

    private GgufTensor Find(string name) => Header.Tensors.GetValueOrDefault(name) ?? throw new CheckpointException(Header.Path, $"has no tensor '{name}'.");
}
