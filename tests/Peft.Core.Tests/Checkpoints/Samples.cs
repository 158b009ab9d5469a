using System.Text;
using Peft.Checkpoints;
using static TorchSharp.torch;

namespace Peft.Core.Tests.Checkpoints;

/// <summary>Small files that Hugging Face PEFT and its safetensors library wrote, and files written by hand.</summary>
internal static class Samples
{
    private static readonly string Folder = Path.Combine(AppContext.BaseDirectory, "Data", "Safetensors");

    /// <summary>Float32 beside I64, I32 and U8, empty ones, with and without metadata.</summary>
    public static TheoryData<string> All => [.. Directory.EnumerateFiles(Folder).Select(path => Path.GetFileName(path)).Order(StringComparer.Ordinal)];

    public static string PathOf(string name) => Path.Combine(Folder, name);

    /// <summary>A file of this header and as many data bytes, counting from 0.</summary>
    public static byte[] File(string header, int dataLength)
    {
        byte[] json = Encoding.UTF8.GetBytes(header);
        return [.. BitConverter.GetBytes((long)json.Length), .. json, .. Enumerable.Range(0, dataLength).Select(i => (byte)i)];
    }

    public static Dictionary<string, Tensor> ReadAll(ITensorSource source) => source.Tensors.Keys.ToDictionary(name => name, name => source.Read(name));
}
