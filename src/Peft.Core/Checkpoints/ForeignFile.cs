using System.Text;

namespace Peft.Checkpoints;

/// <summary>Recognizes files that are not weights, despite their names, for example after a failed download.</summary>
internal static class ForeignFile
{
    /// <summary>Number of bytes at the beginning of a file that <see cref="Recognise"/> examines.</summary>
    public const int Looked = 64;

    /// <summary>Says what the file is and what to do; null if its format is not recognized.</summary>
    public static string? Recognise(ReadOnlySpan<byte> start)
    {
        if (start.StartsWith("version https://git-lfs"u8))
            return "is a Git LFS pointer, not the weights. Run 'git lfs pull' in its repository, or download the file itself.";
        if (start.StartsWith("PK\x3\x4"u8)) return "is a PyTorch (zip) file, not safetensors. Name it .bin, or open it with PyTorchFile.";
        if (start.StartsWith("GGUF"u8)) return "is a GGUF file. Pass its path, with the extension .gguf, to CausalLM.FromPretrained.";
        string text = Encoding.ASCII.GetString(start).TrimStart('?', ' ', '\r', '\n', '\t'); // a byte order mark reads as '?'
        if (text.StartsWith("<!doctype", StringComparison.OrdinalIgnoreCase) || text.StartsWith("<html", StringComparison.OrdinalIgnoreCase)
            || text.StartsWith("<?xml", StringComparison.OrdinalIgnoreCase))
            return "is a web page, not the weights: the download returned an error or login page. Download the file again.";
        return null;
    }
}
