using Peft.Checkpoints;

namespace Peft.Core.Tests.Checkpoints.Onnx;

public sealed class OnnxHostileTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData(1, new long[] { 2, 3 }, 20, "20 bytes of elements, but F32 [2, 3] takes 24")]
    [InlineData(1, new long[] { 2, 3 }, 28, "28 bytes of elements")]
    [InlineData(1, new long[] { 1L << 40, 1L << 40 }, 4, "too many elements")]
    [InlineData(1, new long[] { 1L << 40 }, 4, "takes 4398046511104")]
    [InlineData(1, new long[] { -1 }, 4, "a dimension of negative length")]
    [InlineData(99, new long[] { 1 }, 4, "the unknown data type 99")]
    [InlineData(0, new long[] { 1 }, 4, "the unknown data type 0")]
    public void A_tensor_that_contradicts_its_bytes_is_refused(long type, long[] shape, int bytes, string fault)
        => Refused(OnnxMessage.Model(OnnxMessage.Initializer("t", type, shape, tensor => tensor.Add(9, new byte[bytes]))), fault);

    [Fact]
    public void Numbers_of_varying_length_ask_for_no_more_memory_than_the_file_can_fill()
    {
        Refused(OnnxMessage.Model(OnnxMessage.Initializer("t", 7, [1_000_000_000], tensor => tensor.Add(7, [1, 2, 3]))), "3 bytes of elements");
        string path = folder.Write("file", OnnxMessage.Model(OnnxMessage.Initializer("t", 7, [2], tensor => tensor.Add(7, [0x80, 0x80, 1])), OnnxMessage.Initializer("u", 7, [2], tensor => tensor.Add(7, [1, 2, 3]))));
        using var file = OnnxFile.Open(path);
        Should.Throw<CheckpointException>(() => file.Read("t")).Message.ShouldContain("fewer elements than its shape in tensor 't'");
        Should.Throw<CheckpointException>(() => file.Read("u")).Message.ShouldContain("more elements than its shape in tensor 'u'");
    }

    [Fact]
    public void Elements_in_two_places_or_in_another_types_field_are_refused()
    {
        Refused(OnnxMessage.Model(OnnxMessage.Initializer("t", 1, [1], tensor => tensor.Add(9, new byte[4]).Add(4, 1f))), "elements in two fields");
        Refused(OnnxMessage.Model(OnnxMessage.Initializer("t", 1, [1], tensor => tensor.Add(7, 1UL))), "elements in field 7, which is not that of F32");
        Refused(OnnxMessage.Model(OnnxMessage.Floats("t", 1), OnnxMessage.Floats("t", 1)), "initializer 't' twice");
        Refused(OnnxMessage.Model(OnnxMessage.Floats("", 1)), "no name");
        Refused(OnnxMessage.Model(OnnxMessage.Initializer("t", 1, [1], tensor => tensor.Add(3, [8, 1]))), "in segments");
        Refused(OnnxMessage.Model(OnnxMessage.Initializer("t", 1, [.. Enumerable.Repeat(1L, 65)], _ => { })), "more than 64 dimensions");
    }

    [Theory]
    [InlineData("../weights.bin")]
    [InlineData("/etc/hostname")]
    [InlineData("a/../../weights.bin")]
    [InlineData("./weights.bin")]
    [InlineData("a//weights.bin")]
    [InlineData("..\\weights.bin")]
    [InlineData("c:weights.bin")]
    [InlineData("weights.bin\0")]
    [InlineData("")]
    public void External_data_outside_of_the_models_folder_is_refused(string location)
        => Refused(External(location, "0", "4"), "only a file in the model's folder is allowed");

    [Fact]
    public void External_data_that_is_missing_short_or_misplaced_is_refused_by_its_name()
    {
        folder.Write("weights.bin", new byte[8]);
        Refused(External("none.bin", "0", "4"), "none.bin: there is no such file");
        Refused(External("weights.bin", "8", "4"), "weights.bin: has 8 bytes, but tensor 't'");
        Refused(External("weights.bin", "9223372036854775807", "4"), "weights.bin: has 8 bytes");
        Refused(External("weights.bin", "-4", "4"), "the offset '-4' of external data");
        Refused(External("weights.bin", "0", "8"), "8 bytes of external data, but F32 [1] takes 4");
        Refused(External(null, "0", "4"), "external data without a location");
        using var file = OnnxFile.Open(folder.Write("file.onnx", External("weights.bin", "4", null)));
        using var tensor = file.Read("t");
        tensor.item<float>().ShouldBe(0);
    }

    [Fact]
    public void What_is_no_onnx_model_is_refused_by_what_it_is()
    {
        Refused([], "no graph");
        Refused([8, 7], "no graph");
        Refused("version https://git-lfs.github.com/spec/v1"u8.ToArray(), "Git LFS pointer");
        Refused([0x3a, 0xff, 0xff, 0xff, 0xff, 0x0f], "a field that runs past its end");
        Refused([.. Enumerable.Repeat((byte)0xff, 40)], "an integer of more than ten bytes");
        Refused([0x3b], "a field of wire type 3");
        Should.Throw<CheckpointException>(() => OnnxFile.Open(folder)).Message.ShouldContain("is a folder");
        Should.Throw<CheckpointException>(() => OnnxFile.Open(Path.Combine(folder, "none"))).Message.ShouldContain("there is no such file");
    }

    [Fact]
    public void A_graph_of_endless_nodes_is_refused()
        => Refused(new OnnxMessage().Add(7, [.. Enumerable.Repeat(new byte[] { 0x0a, 0 }, 250_001).SelectMany(bytes => bytes)]).Bytes, "more than 250000 nodes");

    private static byte[] External(string? location, string offset, string? length) => OnnxMessage.Model(OnnxMessage.Initializer("t", 1, [1], tensor =>
    {
        tensor.Add(14, 1UL).Add(13, OnnxMessage.External("offset", offset).Bytes);
        if (location is not null) tensor.Add(13, OnnxMessage.External("location", location).Bytes);
        if (length is not null) tensor.Add(13, OnnxMessage.External("length", length).Bytes);
    }));

    private void Refused(byte[] content, string fault)
        => Should.Throw<CheckpointException>(() => OnnxFile.Open(folder.Write("file.onnx", content)).Dispose()).Message.ShouldContain(fault);
}
