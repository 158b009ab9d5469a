namespace Peft.Checkpoints;

/// <summary>Opens a file of weights by what its name says it is.</summary>
public static class WeightFile
{
    private static readonly string[] PyTorchEndings = [".bin", ".pt", ".pth"];

    /// <summary>Opens PyTorch's format for <c>.bin</c>, <c>.pt</c> and <c>.pth</c>, ONNX for <c>.onnx</c>, and safetensors for any other ending.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="CheckpointException">It is missing or damaged.</exception>
    public static ITensorSource Open(string path)
        => PyTorchEndings.Contains(Path.GetExtension(path), StringComparer.OrdinalIgnoreCase) ? PyTorchFile.Open(path)
            : ".onnx".Equals(Path.GetExtension(path), StringComparison.OrdinalIgnoreCase) ? OnnxFile.Open(path)
            : SafetensorsFile.Open(path);
}
