using Peft.Checkpoints;
using static TorchSharp.torch;

namespace Peft.Quantization.Checkpoints;

/// <summary>The tensors of one quantized module in a checkpoint.</summary>
/// <param name="Files">The checkpoint.</param>
/// <param name="Path">Path of the module in it.</param>
/// <param name="Rows">Number of outputs.</param>
/// <param name="Columns">Number of inputs.</param>
/// <param name="Device">The device to read to.</param>
internal sealed record QuantizedModule(ITensorSource Files, string Path, long Rows, long Columns, Device Device)
{
    /// <summary>The description of a tensor by its name after the path; null if there is none.</summary>
    public TensorEntry? Entry(string part) => Files.Tensors.GetValueOrDefault(Path + part);

    /// <summary>A tensor by its name after the path and a dot; null if there is none.</summary>
    public Tensor? Find(string name) => Entry("." + name) is null ? null : Files.Read($"{Path}.{name}", Device);

    /// <summary>The bytes of a tensor.</summary>
    /// <exception cref="QuantizationException">There is no such tensor.</exception>
    public Tensor Bytes(string name) => Entry("." + name) is null ? throw Missing(name) : Files.ReadBytes($"{Path}.{name}", Device);

    /// <summary>The exception for a missing tensor.</summary>
    public QuantizationException Missing(string name) => new($"The checkpoint has no {Path}.{name}, which the format of its quantized weights needs: the file is damaged or of a newer format.");
}
