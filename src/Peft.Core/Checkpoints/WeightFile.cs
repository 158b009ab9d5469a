namespace Peft.Checkpoints;

/// <summary>Opens a file of weights by what its name says it is.</summary>
internal static class WeightFile
{
    static readonly string[] PyTorchEndings = [".bin", ".pt", ".pth"];

    public static ITensorSource Open(string path)
        => PyTorchEndings.Contains(Path.GetExtension(path), StringComparer.OrdinalIgnoreCase) ? PyTorchFile.Open(path) : SafetensorsFile.Open(path);
}
