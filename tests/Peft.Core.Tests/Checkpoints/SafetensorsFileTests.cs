using Peft.Checkpoints;
using static TorchSharp.torch;

namespace Peft.Core.Tests.Checkpoints;

public sealed class SafetensorsFileTests : IDisposable
{
    private readonly TemporaryFolder folder = new();
    private readonly TorchSharp.DisposeScope scope = TorchSharp.torch.NewDisposeScope();

    public void Dispose()
    {
        scope.Dispose();
        folder.Dispose();
    }

    [Fact]
    public void A_file_of_Hugging_Face_lists_its_tensors_without_reading_them()
    {
        using var file = SafetensorsFile.Open(Samples.PathOf("supertuning-llama.safetensors"));
        file.Metadata.ShouldBe(new Dictionary<string, string> { ["format"] = "pt" });
        file.Keys.Count.ShouldBe(8);
        file.Tensors.Values.Select(entry => entry.TypeName).Distinct().ShouldBe(["F32", "I32"], "float32 stands before int32 in the file");
        file.Tensors.Values.Sum(entry => entry.ByteLength).ShouldBe(new FileInfo(file.Path).Length - file.Tensors.Values.First().Offset);
    }

    [Fact]
    public void A_size_of_minus_one_is_refused()
    {
        File.WriteAllBytes(folder["a.safetensors"], Samples.File("""{"a":{"dtype":"U8","shape":[-1],"data_offsets":[0,0]}}""", 0));
        Should.Throw<CheckpointException>(() => SafetensorsFile.Open(folder["a.safetensors"])).Message.ShouldContain("negative");
    }

    [Fact]
    public void An_empty_tensor_may_be_listed_after_the_one_that_begins_where_it_does()
    {
        File.WriteAllBytes(folder["a.safetensors"], Samples.File("""{"full":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"empty":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}""", 4));
        using var file = SafetensorsFile.Open(folder["a.safetensors"]);
        file.Tensors["full"].Shape.ShouldBe([4]);
        file.Tensors["empty"].Shape.ShouldBe([0]);
    }

    [Fact]
    public void Values_are_those_of_the_file()
    {
        using var file = SafetensorsFile.Open(Samples.PathOf("prompt-qwen3.safetensors"));
        using var tensor = file.Read("prompt_embeddings");
        tensor.shape.ShouldBe([3, 32]);
        tensor.dtype.ShouldBe(ScalarType.Float32);
        tensor.bytes.ToArray().ShouldBe(File.ReadAllBytes(file.Path)[^384..]);
        tensor[0, 0].item<float>().ShouldBe(BitConverter.ToSingle([0x78, 0x33, 0x52, 0xbe]));
    }

    [Theory]
    [InlineData("BOOL", 1, ScalarType.Bool)]
    [InlineData("U8", 1, ScalarType.Byte)]
    [InlineData("I8", 1, ScalarType.Int8)]
    [InlineData("I16", 2, ScalarType.Int16)]
    [InlineData("F16", 2, ScalarType.Float16)]
    [InlineData("BF16", 2, ScalarType.BFloat16)]
    [InlineData("I32", 4, ScalarType.Int32)]
    [InlineData("F32", 4, ScalarType.Float32)]
    [InlineData("C64", 8, ScalarType.ComplexFloat32)]
    [InlineData("F64", 8, ScalarType.Float64)]
    [InlineData("I64", 8, ScalarType.Int64)]
    public void Every_type_of_TorchSharp_is_read(string name, int size, ScalarType type)
    {
        string path = folder.Write("t", Samples.File($$$"""{"t":{"dtype":"{{{name}}}","shape":[2],"data_offsets":[0,{{{2 * size}}}]}}""", 2 * size));
        using var file = SafetensorsFile.Open(path);
        using var tensor = file.Read("t");
        tensor.dtype.ShouldBe(type);
        byte[] expected = type == ScalarType.Bool ? [0, 1] : File.ReadAllBytes(path)[^(2 * size)..];
        tensor.bytes.ToArray().ShouldBe(expected);
    }

    [Theory]
    [InlineData("U16", 4)]
    [InlineData("U32", 8)]
    [InlineData("U64", 16)]
    [InlineData("F8_E4M3", 2)]
    [InlineData("F8_E5M2", 2)]
    [InlineData("F4", 1)]
    public void A_type_that_TorchSharp_lacks_is_listed_and_refused_by_name(string name, int bytes)
    {
        string path = folder.Write("t", Samples.File($$$"""{"t":{"dtype":"{{{name}}}","shape":[2],"data_offsets":[0,{{{bytes}}}]}}""", bytes));
        using var file = SafetensorsFile.Open(path);
        file.Tensors["t"].Type.ShouldBeNull();
        file.Tensors["t"].TypeName.ShouldBe(name);
        Should.Throw<CheckpointException>(() => file.Read("t")).Message.ShouldContain($"'t' has dtype {name}");
        Should.Throw<CheckpointException>(() => file.Read("t", dtype: ScalarType.Float32));
    }

    [Fact]
    public void Bools_of_any_byte_become_zero_or_one()
    {
        using var file = SafetensorsFile.Open(folder.Write("t", Samples.File("""{"t":{"dtype":"BOOL","shape":[256],"data_offsets":[0,256]}}""", 256)));
        using var tensor = file.Read("t");
        tensor.bytes.ToArray().ShouldBe([0, .. Enumerable.Repeat((byte)1, 255)]);
        using var number = file.Read("t", dtype: ScalarType.Int64);
        number.sum().item<long>().ShouldBe(255);
    }

    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.Float64)]
    [InlineData(ScalarType.BFloat16)]
    public void A_tensor_of_many_chunks_is_read_and_converted_exactly(ScalarType type)
    {
        // Over four megabytes, and not a whole number of chunks.
        using var expected = arange(2_500_001, dtype: ScalarType.Float32);
        SafetensorsWriter.Write(folder["t"], new Dictionary<string, Tensor> { ["first"] = ones(3), ["large"] = expected });
        using var file = SafetensorsFile.Open(folder["t"]);
        using var actual = file.Read("large", dtype: type);
        actual.dtype.ShouldBe(type);
        actual.equal(expected.to_type(type)).all().item<bool>().ShouldBeTrue();
    }

    [Fact]
    public void Copying_fills_a_trainable_parameter_and_leaves_it_trainable()
    {
        SafetensorsWriter.Write(folder["t"], new Dictionary<string, Tensor> { ["w"] = arange(6, dtype: ScalarType.Float32).view(2, 3) });
        using var file = SafetensorsFile.Open(folder["t"]);
        foreach (var type in new[] { ScalarType.Float32, ScalarType.BFloat16 })
        {
            var parameter = new TorchSharp.Modules.Parameter(zeros(2, 3, dtype: type));
            file.CopyInto("w", parameter);
            parameter.requires_grad.ShouldBeTrue();
            parameter.is_leaf.ShouldBeTrue();
            parameter.to_type(ScalarType.Float32).data<float>().ToArray().ShouldBe([0, 1, 2, 3, 4, 5]);
        }
    }

    [Fact]
    public void Copying_fills_a_view_and_only_the_view()
    {
        SafetensorsWriter.Write(folder["t"], new Dictionary<string, Tensor> { ["w"] = arange(1, 5, dtype: ScalarType.Float32).view(2, 2) });
        using var file = SafetensorsFile.Open(folder["t"]);
        var table = zeros(3, 2);
        file.CopyInto("w", table.narrow(0, 1, 2));
        table.data<float>().ToArray().ShouldBe([0, 0, 1, 2, 3, 4]);
        var transposed = zeros(2, 2);
        file.CopyInto("w", transposed.t());
        transposed.data<float>().ToArray().ShouldBe([1, 3, 2, 4]);
    }

    [Fact]
    public void Copying_into_another_shape_names_both_shapes()
    {
        using var file = SafetensorsFile.Open(Samples.PathOf("prompt-qwen3.safetensors"));
        Should.Throw<CheckpointException>(() => file.CopyInto("prompt_embeddings", zeros(32, 3)))
            .Message.ShouldContain("has shape [3, 32], but [32, 3] is required");
    }

    [Fact]
    public void A_missing_tensor_is_named_with_what_there_is()
    {
        using var file = SafetensorsFile.Open(Samples.PathOf("prompt-qwen3.safetensors"));
        var error = Should.Throw<CheckpointException>(() => file.Read("prompt"));
        error.Message.ShouldContain("no tensor 'prompt'");
        error.Message.ShouldContain("prompt_embeddings");
        error.Path.ShouldBe(file.Path);
    }

    [Fact]
    public void Read_tensors_join_the_dispose_scope_and_temporaries_do_not_remain()
    {
        using var file = SafetensorsFile.Open(Samples.PathOf("prompt-qwen3.safetensors"));
        Tensor tensor;
        using (var inner = NewDisposeScope())
        {
            tensor = file.Read("prompt_embeddings", dtype: ScalarType.Float64);
            inner.DisposablesCount.ShouldBe(1);
        }
        tensor.IsInvalid.ShouldBeTrue();
    }

    [Fact]
    public void Tensors_outlive_the_file_and_the_file_can_be_replaced_while_open()
    {
        SafetensorsWriter.Write(folder["t"], new Dictionary<string, Tensor> { ["w"] = ones(2) });
        using var file = SafetensorsFile.Open(folder["t"]);
        SafetensorsWriter.Write(folder["t"], new Dictionary<string, Tensor> { ["w"] = zeros(5) });
        var old = file.Read("w");
        file.Dispose();
        old.data<float>().ToArray().ShouldBe([1, 1]);
        Should.Throw<ObjectDisposedException>(() => file.Read("w"));
    }

    [Fact]
    public void A_file_cut_while_open_is_an_error_and_not_a_crash()
    {
        SafetensorsWriter.Write(folder["t"], new Dictionary<string, Tensor> { ["w"] = ones(3_000_000) });
        using var file = SafetensorsFile.Open(folder["t"]);
        using (var cut = new FileStream(folder["t"], FileMode.Open, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete)) cut.SetLength(5_000_000);
        Should.Throw<CheckpointException>(() => file.Read("w")).Message.ShouldContain("truncated");
    }
}
