using System.Text;
using Peft.Checkpoints;

namespace Peft.Core.Tests.Checkpoints;

public sealed class HostileFileTests : IDisposable
{
    private const string Good = """{"t":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""";

    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData("", 0, "header length is 0")]
    [InlineData("[]", 0, "does not start with '{'")]
    [InlineData(" {}", 0, "does not start with '{'")]
    [InlineData("{", 0, "not valid JSON")]
    [InlineData("{} x", 0, "not valid JSON")]
    [InlineData("{}{}", 0, "not valid JSON")]
    [InlineData("""{"t":1}""", 0, "tensor 't' should be an object, not a number")]
    [InlineData("""{"t":{}}""", 0, "tensor 't' lacks dtype")]
    [InlineData("""{"t":{"dtype":"F32","data_offsets":[0,8]}}""", 8, "lacks shape")]
    [InlineData("""{"t":{"dtype":"F32","shape":[2]}}""", 8, "lacks data_offsets")]
    [InlineData("""{"t":{"dtype":"F33","shape":[2],"data_offsets":[0,8]}}""", 8, "unknown dtype 'F33'")]
    [InlineData("""{"t":{"dtype":7,"shape":[2],"data_offsets":[0,8]}}""", 8, "dtype of tensor 't' should be a string")]
    [InlineData("""{"t":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}}""", 8, "negative")]
    [InlineData("""{"t":{"dtype":"F32","shape":[2.5],"data_offsets":[0,8]}}""", 8, "not an integer")]
    [InlineData("""{"t":{"dtype":"F32","shape":[99999999999999999999],"data_offsets":[0,8]}}""", 8, "too large")]
    [InlineData("""{"t":{"dtype":"F32","shape":["2"],"data_offsets":[0,8]}}""", 8, "should be a number, not a string")]
    [InlineData("""{"t":{"dtype":"F32","shape":2,"data_offsets":[0,8]}}""", 8, "shape of tensor 't' should be an array")]
    [InlineData("""{"t":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}}""", 0, "impossible shape")]
    [InlineData("""{"t":{"dtype":"F32","shape":[0,4611686018427387904,4611686018427387904],"data_offsets":[0,0]}}""", 0, "impossible shape")]
    [InlineData("""{"t":{"dtype":"F4","shape":[3],"data_offsets":[0,1]}}""", 1, "impossible shape")]
    [InlineData("""{"t":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}""", 4, "has 4 bytes, but F32 [2] takes 8")]
    [InlineData("""{"t":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", 7, "truncated")]
    [InlineData("""{"t":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}""", 8, "not a start and an end")]
    [InlineData("""{"t":{"dtype":"F32","shape":[2],"data_offsets":[0]}}""", 8, "not a start and an end")]
    [InlineData("""{"t":{"dtype":"F32","shape":[2],"data_offsets":[0,8,9]}}""", 9, "more than 2 numbers")]
    [InlineData("""{"t":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", 9, "1 bytes after the last tensor")]
    [InlineData("""{"t":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}""", 12, "4 bytes before tensor 't'")]
    [InlineData("""{"t":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"u":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}}""", 6, "'u' overlaps")]
    [InlineData("""{"t":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"u":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}""", 4, "overlaps")]
    [InlineData("""{"t":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"\u0074":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}""", 0, "'t' is listed twice")]
    [InlineData("""{"t":{"dtype":"U8","dtype":"U8","shape":[0],"data_offsets":[0,0]}}""", 0, "'t' has dtype twice")]
    [InlineData("""{"__metadata__":{"a":"b","a":"c"}}""", 0, "lists 'a' twice")]
    [InlineData("""{"__metadata__":{},"__metadata__":{}}""", 0, "__metadata__ is listed twice")]
    [InlineData("""{"__metadata__":{"a":1}}""", 0, "__metadata__ 'a' should be a string")]
    [InlineData("""{"\ud800":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}""", 0, "an unpaired surrogate")]
    public void A_header_that_contradicts_the_format_is_refused_with_its_fault(string header, int dataLength, string fault)
        => Refused(Samples.File(header, dataLength), fault);

    [Fact]
    public void Deep_nesting_is_refused()
        => Refused(Samples.File($$$"""{"t":{"x":{{{new string('[', 5000)}}}{{{new string(']', 5000)}}}}}""", 0), "not valid JSON");

    [Fact]
    public void Endless_dimensions_are_refused()
        => Refused(Samples.File($$$"""{"t":{"dtype":"U8","shape":[{{{string.Join(',', Enumerable.Repeat(1, 65))}}}],"data_offsets":[0,1]}}""", 1), "more than 64");

    [Fact]
    public void Invalid_UTF8_is_refused()
    {
        byte[] file = Samples.File(Good, 8);
        file[10] = 0xff;
        Refused(file, "not valid UTF-8");
    }

    [Theory]
    [InlineData(100_000_001, "above the limit")]
    [InlineData(-1, "above the limit")]
    [InlineData(100_000_000, "truncated")]
    [InlineData(63, "truncated")]
    public void A_header_length_beyond_the_file_or_the_limit_is_refused_without_allocating_it(long length, string fault)
    {
        byte[] file = Samples.File(Good, 8);
        BitConverter.TryWriteBytes(file, length);
        string path = folder.Write("bad.safetensors", file);
        long before = GC.GetAllocatedBytesForCurrentThread();
        Should.Throw<CheckpointException>(() => SafetensorsFile.Open(path)).Message.ShouldContain(fault);
        (GC.GetAllocatedBytesForCurrentThread() - before).ShouldBeLessThan(1_000_000);
    }

    [Theory]
    [InlineData("", "truncated")]
    [InlineData("abc", "truncated")]
    [InlineData("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n", "Git LFS pointer")]
    [InlineData("<!DOCTYPE html><html><body>404</body></html>", "web page")]
    [InlineData("\n <html lang=en>", "web page")]
    [InlineData("PK\u0003\u0004 archive/data.pkl", "PyTorch (zip) file")]
    [InlineData("GGUF\u0003\0\0\0 and more", "GGUF")]
    public void Another_kind_of_file_is_recognised(string content, string kind) => Refused(Encoding.ASCII.GetBytes(content), kind);

    [Fact]
    public void A_missing_file_and_a_folder_are_named()
    {
        Should.Throw<CheckpointException>(() => SafetensorsFile.Open(folder["none"])).Message.ShouldBe($"{folder["none"]}: there is no such file.");
        Should.Throw<CheckpointException>(() => SafetensorsFile.Open(folder["no/where"])).Message.ShouldContain("no such file");
        Should.Throw<CheckpointException>(() => SafetensorsFile.Open(folder)).Message.ShouldContain("is a folder");
    }

    [Theory]
    [InlineData("{}", 0)]
    [InlineData("{}      ", 0)]
    [InlineData("""{"__metadata__":null}""", 0)]
    [InlineData("""{ "t" : { "data_offsets":[0,0], "other": {"x":[1]}, "shape":[5,0], "dtype":"I8" } }""", 1)]
    public void Unusual_but_valid_headers_are_read(string header, int tensors)
    {
        using var file = SafetensorsFile.Open(folder.Write("good", Samples.File(header, 0)));
        var read = Samples.ReadAll(file);
        read.Count.ShouldBe(tensors);
        foreach (var tensor in read.Values) tensor.Dispose();
    }

    private void Refused(byte[] content, string fault)
    {
        string path = folder.Write("bad.safetensors", content);
        var error = Should.Throw<CheckpointException>(() => SafetensorsFile.Open(path));
        error.Path.ShouldBe(path);
        error.Message.ShouldStartWith(path);
        error.Message.ShouldContain(fault);
    }
}
