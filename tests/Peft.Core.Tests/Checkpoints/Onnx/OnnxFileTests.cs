using Peft.Checkpoints;
using static TorchSharp.torch;

namespace Peft.Core.Tests.Checkpoints.Onnx;

/// <summary>Files that onnx 1.20 and PyTorch's exporter wrote (Data/Onnx/make_onnx.py), with what they hold as safetensors, and files made by hand.</summary>
public sealed class OnnxFileTests : IDisposable
{
    private readonly TemporaryFolder folder = new();
    private readonly TorchSharp.DisposeScope scope = TorchSharp.torch.NewDisposeScope();

    public void Dispose()
    {
        scope.Dispose();
        folder.Dispose();
    }

    internal static string PathOf(string name) => Path.Combine(AppContext.BaseDirectory, "Data", "Onnx", name);

    [Fact]
    public void Elements_of_every_type_are_read_bit_for_bit_raw_or_in_the_field_of_their_type()
    {
        using var file = OnnxFile.Open(PathOf("types.onnx"));
        using var expected = SafetensorsFile.Open(PathOf("types.safetensors"));
        file.Tensors.Values.Select(entry => entry.ToString()).ShouldBe(expected.Tensors.Values.Select(entry => entry.ToString()), ignoreOrder: true);
        foreach (string name in expected.Keys)
        {
            file.Read(name).bytes.SequenceEqual(expected.Read(name).bytes).ShouldBeTrue(name);
            var filled = empty(expected.Tensors[name].Dimensions, expected.Tensors[name].Type);
            file.CopyInto(name, filled);
            filled.bytes.SequenceEqual(expected.Read(name).bytes).ShouldBeTrue(name);
        }
        file.Read("i16.typed", dtype: float32).dtype.ShouldBe(float32);
        Should.Throw<CheckpointException>(() => file.CopyInto("i16.typed", zeros(3, 2))).Message.ShouldContain("[2, 3], but [3, 2]");
        Should.Throw<CheckpointException>(() => file.Read("none")).Message.ShouldContain("f32.raw");
    }

    [Theory]
    [InlineData("encoder.onnx")]
    [InlineData("external.onnx")]   // its elements are in external.bin
    public void Parameters_have_the_names_and_orientation_of_the_exported_module(string name)
    {
        using var file = OnnxFile.Open(PathOf(name));
        using var module = SafetensorsFile.Open(PathOf("encoder.safetensors"));
        file.Parameters.ShouldBe(module.Keys.Where(key => !key.Contains(".free.", StringComparison.Ordinal)), ignoreOrder: true);
        foreach (string key in file.Parameters)
        {
            file.Tensors[key].Shape.ShouldBe(module.Tensors[key].Shape, key);
            file.Read(key).Equals(module.Read(key)).ShouldBeTrue(key);
            var filled = zeros(module.Tensors[key].Dimensions, float64);
            file.CopyInto(key, filled);
            filled.Equals(module.Read(key, dtype: float64)).ShouldBeTrue(key);
        }
        // What has no bias keeps what the exporter made of it.
        file.Tensors.Keys.Except(file.Parameters).ShouldBe(["onnx::MatMul_113"]);
        file.Read("onnx::MatMul_113").t().Equals(module.Read("layer.0.free.weight")).ShouldBeTrue();
    }

    [Fact]
    public void A_folder_with_an_onnx_file_is_a_checkpoint_of_its_parameters()
    {
        File.Copy(PathOf("encoder.onnx"), Path.Combine(folder, "model.onnx"));
        using var checkpoint = ShardedCheckpoint.Open(folder);
        using var module = SafetensorsFile.Open(PathOf("encoder.safetensors"));
        checkpoint.Tensors.Count.ShouldBe(module.Keys.Count - 2);
        checkpoint.Read("layer.1.up.weight").Equals(module.Read("layer.1.up.weight")).ShouldBeTrue();
        using var file = WeightFile.Open(Path.Combine(folder, "model.onnx"));
        file.Tensors.Count.ShouldBe(checkpoint.Tensors.Count + 1);
    }

    [Fact]
    public void A_matrix_is_named_by_the_bias_of_its_product_whichever_side_it_is_added_on()
    {
        using var file = Open(OnnxMessage.Floats("7", 2, 3), OnnxMessage.Floats("8", 3, 2), OnnxMessage.Floats("a.bias", 3), OnnxMessage.Floats("b.bias", 2),
            OnnxMessage.Node("MatMul", "x7", "x", "7"), OnnxMessage.Node("Add", "y", "x7", "a.bias"), OnnxMessage.Node("Gemm", "z", "y", "8", "b.bias"));
        file.Tensors.Keys.ShouldBe(["a.weight", "b.weight", "a.bias", "b.bias"]);
        file.Read("a.weight").Equals(tensor(new float[,] { { 0, 3 }, { 1, 4 }, { 2, 5 } })).ShouldBeTrue();
        file.Read("b.weight").Equals(tensor(new float[,] { { 0, 2, 4 }, { 1, 3, 5 } })).ShouldBeTrue();
    }

    [Fact]
    public void A_Gemm_that_transposes_its_matrix_leaves_the_orientation()
    {
        var gemm = OnnxMessage.Node("Gemm", "y", "x", "7", "a.bias");
        gemm.Item2.Add(5, new OnnxMessage().Add(1, "transB").Add(3, 1UL).Bytes);
        using var file = Open(OnnxMessage.Floats("7", 3, 2), OnnxMessage.Floats("a.bias", 3), gemm);
        file.Read("a.weight").Equals(tensor(new float[,] { { 0, 1 }, { 2, 3 }, { 4, 5 } })).ShouldBeTrue();
    }

    [Fact]
    public void What_tells_no_name_for_sure_leaves_the_exporters_name()
    {
        // One bias for two matrices; a bias of another width; a name that is taken; a matrix that has a name; a sum that is no bias.
        using var file = Open(OnnxMessage.Floats("1", 2, 3), OnnxMessage.Floats("2", 2, 3), OnnxMessage.Floats("3", 2, 3), OnnxMessage.Floats("4", 2, 3), OnnxMessage.Floats("own.name", 2, 3),
            OnnxMessage.Floats("a.bias", 3), OnnxMessage.Floats("b.bias", 2), OnnxMessage.Floats("c.bias", 3), OnnxMessage.Floats("c.weight", 3, 2), OnnxMessage.Floats("d.bias", 3),
            OnnxMessage.Node("MatMul", "x1", "x", "1"), OnnxMessage.Node("Add", "y1", "x1", "a.bias"), OnnxMessage.Node("MatMul", "x2", "x", "2"), OnnxMessage.Node("Add", "y2", "x2", "a.bias"),
            OnnxMessage.Node("MatMul", "x3", "x", "3"), OnnxMessage.Node("Add", "y3", "x3", "b.bias"), OnnxMessage.Node("MatMul", "x4", "x", "4"), OnnxMessage.Node("Add", "y4", "c.bias", "x4"),
            OnnxMessage.Node("MatMul", "x5", "x", "own.name"), OnnxMessage.Node("Add", "y5", "d.bias", "x5"), OnnxMessage.Node("Add", "y6", "x1", "x2"));
        file.Tensors.Keys.ShouldBe(["1", "2", "3", "4", "own.name", "a.bias", "b.bias", "c.bias", "c.weight", "d.bias"]);
    }

    [Fact]
    public void A_matrix_that_two_layers_share_has_both_names()
    {
        using var file = Open(OnnxMessage.Floats("1", 2, 3), OnnxMessage.Floats("a.bias", 3), OnnxMessage.Floats("b.bias", 3),
            OnnxMessage.Node("MatMul", "p", "x", "1"), OnnxMessage.Node("Add", "y", "p", "a.bias"), OnnxMessage.Node("MatMul", "q", "y", "1"), OnnxMessage.Node("Add", "z", "b.bias", "q"));
        file.Parameters.ShouldBe(["a.weight", "b.weight", "a.bias", "b.bias"]);
        file.Read("a.weight").Equals(file.Read("b.weight")).ShouldBeTrue();
    }

    [Fact]
    public void Elements_that_lie_in_pieces_are_put_together()
    {
        byte[] Two(float a, float b) => [.. BitConverter.GetBytes(a), .. BitConverter.GetBytes(b)];
        using var file = Open(
            OnnxMessage.Initializer("f", 1, [4], tensor => tensor.Add(4, 1f).Add(4, Two(2, 3)).Add(4, 4f)),
            OnnxMessage.Initializer("i", 7, [3], tensor => tensor.Add(7, 5).Add(7, [6, 0x87, 1])),
            OnnxMessage.Initializer("1", 1, [2, 2], tensor => tensor.Add(4, Two(1, 2)).Add(4, Two(3, 4))), OnnxMessage.Floats("a.bias", 2),
            OnnxMessage.Node("MatMul", "p", "x", "1"), OnnxMessage.Node("Add", "y", "p", "a.bias"));
        file.Read("f").data<float>().ShouldBe([1, 2, 3, 4]);
        file.Read("i").data<long>().ShouldBe([5, 6, 135]);
        file.Read("a.weight").contiguous().data<float>().ShouldBe([1, 3, 2, 4]);
    }

    [Fact]
    public void Types_that_TorchSharp_lacks_are_listed_but_not_read()
    {
        using var file = Open(OnnxMessage.Initializer("t", 8, [2], tensor => tensor.Add(6, "a").Add(6, "b")), OnnxMessage.Initializer("e", 17, [2], tensor => tensor.Add(9, [1, 2])));
        file.Tensors["t"].TypeName.ShouldBe("STRING");
        Should.Throw<CheckpointException>(() => file.Read("t")).Message.ShouldContain("STRING");
        Should.Throw<CheckpointException>(() => file.Read("e")).Message.ShouldContain("F8_E4M3");
    }

    private OnnxFile Open(params (int, OnnxMessage)[] parts) => OnnxFile.Open(folder.Write("file.onnx", OnnxMessage.Model(parts)));
}
