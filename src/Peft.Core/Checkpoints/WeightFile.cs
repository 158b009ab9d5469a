namespace Peft.Checkpoints;

/// <summary>Opens a weight file in the format that its extension indicates.</summary>
public static class WeightFile
{
    private static readonly string[] PyTorchExtensions = [".bin", ".pt", ".pth"];

    /// <summary>Opens <c>.bin</c>, <c>.pt</c> and <c>.pth</c> in PyTorch's format, <c>.onnx</c> in ONNX, and any other extension as safetensors.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="CheckpointException">The file is missing or damaged.</exception>
    public static ITensorSource Open(string path)
        => PyTorchExtensions.Contains(Path.GetExtension(path), StringComparer.OrdinalIgnoreCase) ? PyTorchFile.Open(path)
            : ".onnx".Equals(Path.GetExtension(path), StringComparison.OrdinalIgnoreCase) ? OnnxFile.Open(path)
            : SafetensorsFile.Open(path);
}
