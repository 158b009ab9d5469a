using System.IO.Compression;
using System.Text;
using static TorchSharp.torch;

namespace Peft.Testing;

/// <summary>Writes files of torch.save's format by hand: whole ones, and pickles instruction by instruction.</summary>
public sealed class TorchSave
{
    private readonly List<byte> bytes = [0x80, 2];

    /// <summary>A new pickle.</summary>
    public static TorchSave Pickle => new();

    /// <summary>Instructions without arguments, by their letters.</summary>
    public TorchSave Do(string opcodes)
    {
        bytes.AddRange(Encoding.Latin1.GetBytes(opcodes));
        return this;
    }

    public TorchSave Global(string module, string name) => Do($"c{module}\n{name}\n");

    public TorchSave Text(string text)
    {
        byte[] utf8 = Encoding.UTF8.GetBytes(text);
        bytes.AddRange([(byte)'X', .. BitConverter.GetBytes(utf8.Length), .. utf8]);
        return this;
    }

    public TorchSave Number(long number)
    {
        bytes.AddRange([0x8a, 8, .. BitConverter.GetBytes(number)]);
        return this;
    }

    public TorchSave Numbers(params long[] numbers)
    {
        Do("(");
        foreach (long number in numbers) Number(number);
        return Do("t");
    }

    public TorchSave Storage(string kind, string key, long length)
        => Do("(").Text("storage").Global("torch", kind + "Storage").Text(key).Text("cpu").Number(length).Do("tQ");

    public TorchSave Tensor(string kind, string key, long length, long offset, long[] shape, long[] strides)
        => Global("torch._utils", "_rebuild_tensor_v2").Do("(").Storage(kind, key, length).Number(offset).Numbers(shape).Numbers(strides)
            .Do("\x89").Global("collections", "OrderedDict").Do(")RtR");

    /// <summary>The pickle with its end.</summary>
    public byte[] End() => [.. bytes, (byte)'.'];

    /// <summary>A dictionary of one tensor <c>w</c>.</summary>
    public static byte[] One(string kind, string key, long length, long offset, long[] shape, long[] strides)
        => Pickle.Do("}").Text("w").Tensor(kind, key, length, offset, shape, strides).Do("s").End();

    /// <summary>A zip archive with the pickle and other entries.</summary>
    public static byte[] Archive(byte[] pickle, params (string Name, byte[] Content)[] entries)
    {
        using var file = new MemoryStream();
        using (var zip = new ZipArchive(file, ZipArchiveMode.Create, leaveOpen: true))
        {
            foreach (var (name, content) in entries.Prepend(("data.pkl", pickle)))
            {
                using var entry = zip.CreateEntry("any folder/" + name, CompressionLevel.NoCompression).Open();
                entry.Write(content);
            }
        }
        return file.ToArray();
    }

    /// <summary>A file of float32 tensors.</summary>
    public static void Write(string path, IEnumerable<KeyValuePair<string, Tensor>> tensors)
    {
        var pickle = Pickle.Do("}(");
        var entries = new List<(string, byte[])>();
        foreach (var (name, tensor) in tensors)
        {
            using var dense = tensor.to(float32).contiguous();
            pickle.Text(name).Tensor("Float", $"{entries.Count}", dense.numel(), 0, dense.shape, dense.stride());
            entries.Add(($"data/{entries.Count}", dense.bytes.ToArray()));
        }
        File.WriteAllBytes(path, Archive(pickle.Do("u").End(), [.. entries]));
    }
}
