using System.Text;
using Peft.Checkpoints;
using static TorchSharp.torch;

namespace Peft.Core.Tests.Checkpoints;

public sealed class SafetensorsWriterTests : IDisposable
{
    private readonly TemporaryFolder folder = new();
    private readonly TorchSharp.DisposeScope scope = TorchSharp.torch.NewDisposeScope();

    public void Dispose()
    {
        scope.Dispose();
        folder.Dispose();
    }

    public static TheoryData<string> HuggingFaceFiles => Samples.All;

    [Theory]
    [MemberData(nameof(HuggingFaceFiles))]
    public void What_Hugging_Face_wrote_is_written_back_byte_for_byte(string name)
    {
        using var file = SafetensorsFile.Open(Samples.PathOf(name));
        // The order of the dictionary must not matter.
        var tensors = Samples.ReadAll(file).Reverse().ToDictionary();
        SafetensorsWriter.Write(folder[name], tensors, file.Metadata.Count == 0 ? null : file.Metadata);
        File.ReadAllBytes(folder[name]).ShouldBe(File.ReadAllBytes(file.Path));
    }

    [Fact]
    public void The_header_is_that_of_the_reference_implementation()
    {
        var tensors = new Dictionary<string, Tensor>
        {
            ["b"] = zeros(2, dtype: ScalarType.Bool),
            ["\U0001F600"] = tensor(1L),
            ["\uE000"] = tensor(2L),
            ["f\"\\\n\u0001\u007F/é"] = zeros(1, 0),
            ["d"] = zeros(1, dtype: ScalarType.Float64),
            ["h"] = zeros(1, dtype: ScalarType.BFloat16),
        };
        SafetensorsWriter.Write(folder["t"], tensors, new Dictionary<string, string> { ["z"] = "1", ["a"] = "é" });
        // Types in descending order of the reference's enumeration, names by their UTF-8 bytes: U+E000 before U+1F600, which .NET's order reverses.
        const string Expected = """{"__metadata__":{"a":"é","z":"1"},"""
            + "\"\uE000\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[0,8]},"
            + "\"\U0001F600\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[8,16]},"
            + "\"d\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[16,24]},"
            + "\"f\\\"\\\\\\n\\u0001\u007F/é\":{\"dtype\":\"F32\",\"shape\":[1,0],\"data_offsets\":[24,24]},"
            + "\"h\":{\"dtype\":\"BF16\",\"shape\":[1],\"data_offsets\":[24,26]},"
            + "\"b\":{\"dtype\":\"BOOL\",\"shape\":[2],\"data_offsets\":[26,28]}}";
        byte[] bytes = File.ReadAllBytes(folder["t"]);
        int length = (int)BitConverter.ToInt64(bytes);
        (length % 8).ShouldBe(0);
        string header = Encoding.UTF8.GetString(bytes, 8, length);
        header.TrimEnd(' ').ShouldBe(Expected);
        bytes.Length.ShouldBe(8 + length + 28);
    }

    [Fact]
    public void Strided_shared_and_lazily_negated_tensors_are_written_as_their_values()
    {
        var matrix = arange(6, dtype: ScalarType.Float32).view(2, 3);
        var complex = TorchSharp.torch.complex(ones(2), arange(2, dtype: ScalarType.Float32));
        var tensors = new Dictionary<string, Tensor>
        {
            ["transposed"] = matrix.t(),
            ["column"] = matrix.narrow(1, 1, 1),
            ["row"] = matrix[1],
            ["expanded"] = ones(1).expand(4),
            ["again"] = matrix,
            ["conjugate"] = complex.conj(),
            ["negated"] = complex.conj().imag,
            ["parameter"] = new TorchSharp.Modules.Parameter(ones(2) * 3),
        };
        SafetensorsWriter.Write(folder["t"], tensors);
        using var file = SafetensorsFile.Open(folder["t"]);
        Floats("transposed").ShouldBe([0, 3, 1, 4, 2, 5]);
        Floats("column").ShouldBe([1, 4]);
        Floats("row").ShouldBe([3, 4, 5]);
        Floats("expanded").ShouldBe([1, 1, 1, 1]);
        Floats("again").ShouldBe([0, 1, 2, 3, 4, 5]);
        Floats("negated").ShouldBe([0, -1]);
        Floats("parameter").ShouldBe([3, 3]);
        file.Read("conjugate").imag.contiguous().data<float>().ToArray().ShouldBe([0, -1]);

        float[] Floats(string name) => file.Read(name).data<float>().ToArray();
    }

    [Fact]
    public void Tensors_that_cannot_be_saved_are_named_and_the_old_file_stays()
    {
        string path = folder.Write("t", "old"u8);
        var gone = ones(1);
        gone.Dispose();
        Refused("gone", gone, "disposed");
        Refused("meta", empty(2, device: META), "meta device");
        Refused("sparse", ones(2, 2).to_sparse(), "sparse");
        Refused("wide", zeros(1, dtype: ScalarType.ComplexFloat64), "ComplexFloat64");
        Refused("__metadata__", ones(1), "reserves");
        Refused("half\uD800", ones(1), "surrogate");
        File.ReadAllText(path).ShouldBe("old");
        folder.FileNames.ShouldBe(["t"]);

        void Refused(string name, Tensor tensor, string why)
            => Should.Throw<ArgumentException>(() => SafetensorsWriter.Write(path, new Dictionary<string, Tensor> { ["good"] = ones(1), [name] = tensor }))
                .Message.ShouldContain(why);
    }

    [Fact]
    public void A_folder_in_the_way_is_an_error_that_names_it()
        => Should.Throw<CheckpointException>(() => SafetensorsWriter.Write(folder, new Dictionary<string, Tensor>())).Path.ShouldBe(folder);
}
