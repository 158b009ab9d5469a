using Peft.Checkpoints;
using static TorchSharp.torch;

namespace Peft.Core.Tests.Checkpoints.PyTorch;

/// <summary>Files that PyTorch 2.6 wrote (Data/make_pytorch.py), and beside each what it holds as safetensors.</summary>
public sealed class PyTorchFileTests : IDisposable
{
    private readonly TemporaryFolder folder = new();
    private readonly TorchSharp.DisposeScope scope = TorchSharp.torch.NewDisposeScope();

    public void Dispose()
    {
        scope.Dispose();
        folder.Dispose();
    }

    internal static string PathOf(string name) => Path.Combine(AppContext.BaseDirectory, "Data", "PyTorch", name);

    [Theory]
    [InlineData("types")]
    [InlineData("views")]
    [InlineData("legacy-types")]
    [InlineData("legacy-views")]
    [InlineData("module")]
    [InlineData("mixed")]
    [InlineData("many")]
    public void Every_tensor_is_read_bit_for_bit_as_torch_saved_it(string name)
    {
        using var file = PyTorchFile.Open(PathOf(name + ".bin"));
        using var expected = SafetensorsFile.Open(PathOf(name + ".safetensors"));
        file.Tensors.Values.Select(entry => entry.ToString()).ShouldBe(expected.Tensors.Values.Select(entry => entry.ToString()), ignoreOrder: true);
        foreach (var entry in file.Tensors.Values.Where(entry => entry.Type is not null))
        {
            using var inner = NewDisposeScope();
            file.Read(entry.Name).contiguous().bytes.SequenceEqual(expected.Read(entry.Name).bytes).ShouldBeTrue(entry.ToString());
            entry.ByteLength.ShouldBe(expected.Tensors[entry.Name].ByteLength);
        }
    }

    [Fact]
    public void Tensors_keep_the_order_of_the_dictionary()
    {
        using var file = PyTorchFile.Open(PathOf("many.bin"));
        file.Tensors.Keys.ShouldBe(Enumerable.Range(0, 1100).Select(i => $"layers.{i}"));
    }

    [Fact]
    public void Types_that_TorchSharp_lacks_are_listed_but_not_read()
    {
        using var file = PyTorchFile.Open(PathOf("types.bin"));
        file.Tensors["float8_e4m3fn"].TypeName.ShouldBe("F8_E4M3");
        Should.Throw<CheckpointException>(() => file.Read("uint32")).Message.ShouldContain("U32");
    }

    [Fact]
    public void Reading_converts_and_fills_memory_of_any_strides()
    {
        using var file = PyTorchFile.Open(PathOf("views.bin"));
        file.Read("transposed", dtype: float64).sum().item<double>().ShouldBe(59 * 60 / 2);
        var turned = zeros(5, 12, float64).t();
        file.CopyInto("transposed", turned);
        turned.sub(file.Read("transposed")).abs().sum().item<double>().ShouldBe(0);
        var rows = zeros(3, 24, float32).narrow(1, 4, 12);
        file.CopyInto("rows", rows);
        rows.sub(file.Read("rows")).abs().sum().item<float>().ShouldBe(0);
        Should.Throw<CheckpointException>(() => file.CopyInto("rows", turned)).Message.ShouldContain("[3, 12]");
        Should.Throw<CheckpointException>(() => file.Read("none such")).Message.ShouldContain("whole, matrix");
    }

    [Theory]
    [InlineData("tensor", "no dictionary of tensors")]
    [InlineData("nested", "contains no tensors, but 'model', 'epoch'")]
    [InlineData("conjugate", "lazy conjugate")]
    [InlineData("protocol4", "protocol 4, but torch.save writes 2")]
    [InlineData("script", "TorchScript")]
    [InlineData("code", "the global torch.nn.modules.container.Sequential (opcode GLOBAL)")]
    public void Other_things_that_torch_saves_are_refused_by_name(string name, string said)
        => Should.Throw<CheckpointException>(() => PyTorchFile.Open(PathOf(name + ".bin"))).Message.ShouldContain(said);

    [Fact]
    public void A_large_tensor_is_read_without_a_copy_of_it()
    {
        const int Count = 4_000_000;
        string path = folder.Write("large.bin", TorchSave.Archive(TorchSave.One("Float", "0", Count, 0, [Count], [1]), ("data/0", new byte[4 * Count])));
        long before = GC.GetAllocatedBytesForCurrentThread();
        using var file = PyTorchFile.Open(path);
        file.Read("w").sum().item<float>().ShouldBe(0);
        (GC.GetAllocatedBytesForCurrentThread() - before).ShouldBeLessThan(500_000);
    }

    [Fact]
    public void A_folder_gives_safetensors_first_then_their_index_then_PyTorch_files()
    {
        void Holds(double value)
        {
            using var checkpoint = ShardedCheckpoint.Open(folder);
            checkpoint.Read("w").item<float>().ShouldBe((float)value);
        }
        void Write(string name, double value)
        {
            var tensors = new Dictionary<string, Tensor> { ["w"] = tensor((float)value) };
            if (name.EndsWith("bin", StringComparison.Ordinal)) TorchSave.Write(folder[name], tensors);
            else SafetensorsWriter.Write(folder[name], tensors);
        }
        Should.Throw<CheckpointException>(() => ShardedCheckpoint.Open(folder)).Message.ShouldContain("pytorch_model.bin");
        Write("pytorch_model-00001-of-00001.bin", 1);
        folder.Write("pytorch_model.bin.index.json", """{"weight_map":{"w":"pytorch_model-00001-of-00001.bin"}}"""u8);
        Holds(1);
        Write("pytorch_model.bin", 2);
        Holds(2);
        Write("model-00001-of-00001.safetensors", 3);
        folder.Write("model.safetensors.index.json", """{"weight_map":{"w":"model-00001-of-00001.safetensors"}}"""u8);
        Holds(3);
        Write("model.safetensors", 4);
        Holds(4);
    }
}
