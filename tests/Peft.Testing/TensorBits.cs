using static TorchSharp.torch;

namespace Peft.Testing;

/// <summary>The bits of tensors by name, to tell whether any has changed.</summary>
public static class TensorBits
{
    /// <summary>The bytes of a tensor, row by row.</summary>
    public static byte[] Bits(this Tensor tensor)
    {
        using var scope = NewDisposeScope();
        return tensor.detach().contiguous().bytes.ToArray();
    }

    /// <summary>The bits of all parameters and buffers of a module.</summary>
    public static Dictionary<string, byte[]> Bits(this nn.Module module) => module.state_dict().ToDictionary(pair => pair.Key, pair => pair.Value.Bits());

    /// <summary>The bits of an adapter's tensors.</summary>
    public static Dictionary<string, byte[]> Bits(this PeftModel peft, string name = PeftModel.DefaultName)
        => peft.Find(name).Tensors.DistinctBy(pair => pair.Key).ToDictionary(pair => pair.Key, pair => pair.Tensor.Value.Bits());

    /// <summary>The bits of what is saved of an adapter; some methods save another form than they train.</summary>
    public static Dictionary<string, byte[]> SavedBits(this PeftModel peft, string name = PeftModel.DefaultName)
        => peft.StateOf(peft.Find(name)).ToDictionary(pair => pair.Key, pair => pair.Value.Bits());

    /// <summary>The module has these parameters and buffers, bit for bit.</summary>
    public static void ShouldHaveBits(this nn.Module module, Dictionary<string, byte[]> expected) => module.Bits().ShouldBeBits(expected);

    /// <summary>The names are the same, and so are the bits of each.</summary>
    public static void ShouldBeBits(this Dictionary<string, byte[]> actual, Dictionary<string, byte[]> expected)
    {
        actual.Keys.ShouldBe(expected.Keys, ignoreOrder: true);
        actual.Where(pair => !pair.Value.AsSpan().SequenceEqual(expected[pair.Key])).Select(pair => pair.Key).ShouldBeEmpty();
    }
}
