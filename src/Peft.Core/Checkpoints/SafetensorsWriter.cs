using static TorchSharp.torch;

namespace Peft.Checkpoints;

/// <summary>
/// Writes safetensors files that are identical, byte for byte, to those of Hugging Face's library: <c>__metadata__</c> first, tensors by dtype (widest first) and then by
/// name, and the header padded with spaces to a multiple of eight bytes.
/// </summary>
public static class SafetensorsWriter
{
    /// <summary>
    /// Writes a file atomically: to a temporary file in the same folder, which is flushed to the disk and renamed. Tensors may be on any device
    /// and need not be contiguous; tensors that share memory are each written in full. Takes a few megabytes of memory, and a copy of one non-contiguous tensor at a time.
    /// </summary>
    /// <param name="path">The file. Its folder is created if needed, and an existing file is replaced.</param>
    /// <param name="tensors">Tensors by name.</param>
    /// <param name="metadata">Content of <c>__metadata__</c>; Hugging Face expects <c>format = pt</c> for model weights. Null for none.</param>
    /// <exception cref="ArgumentException">A tensor is disposed, sparse, without data or of a dtype that the format lacks, or a name is not valid Unicode.</exception>
    /// <exception cref="CheckpointException">The file could not be written. An existing file is unchanged.</exception>
    public static void Write(string path, IReadOnlyDictionary<string, Tensor> tensors, IReadOnlyDictionary<string, string>? metadata = null)
    {
        ArgumentNullException.ThrowIfNull(tensors);
        var layout = SafetensorsLayout.Of(tensors, metadata);
        AtomicFile.Write(path, stream => Fill(stream, layout), layout.FileLength);
    }

    /// <summary>Writes a file as a part of a save.</summary>
    internal static void Stage(FolderSave save, string name, IReadOnlyDictionary<string, Tensor> tensors, IReadOnlyDictionary<string, string>? metadata)
    {
        var layout = SafetensorsLayout.Of(tensors, metadata);
        save.Write(name, stream => Fill(stream, layout), layout.FileLength);
    }

    private static void Fill(Stream stream, SafetensorsLayout layout)
    {
        stream.Write(layout.Header);
        foreach (var (tensor, size) in layout.Tensors) WriteBytes(stream, tensor, size);
    }

    private static void WriteBytes(Stream stream, Tensor tensor, int size)
    {
        using var detached = tensor.detach();
        using var straight = detached.resolve_conj();
        using var positive = straight.resolve_neg();
        using var dense = positive.contiguous();
        using var flat = dense.view(-1);
        TensorChunks.ForEach(flat, size, TensorChunks.Bytes / size, (part, _) =>
        {
            using var host = part.cpu();
            stream.Write(host.bytes);
        });
    }
}
