using System.IO.Compression;
using System.Text.Json;
using Peft.Checkpoints;

namespace Peft.Core.Tests.Checkpoints.PyTorch;

public sealed class PyTorchHostileTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    public static TheoryData<string, string> Attacks
    {
        get
        {
            var attacks = new TheoryData<string, string>();
            var pickles = JsonSerializer.Deserialize<Dictionary<string, string>>(File.ReadAllText(PyTorchFileTests.PathOf("attacks.json")))!;
            foreach (var (global, pickle) in pickles) attacks.Add(global, pickle);
            return attacks;
        }
    }

    [Theory, MemberData(nameof(Attacks))]
    public void A_pickle_that_names_anything_but_tensors_is_refused_with_the_name(string global, string pickle)
        => Refused(TorchSave.Archive(Convert.FromBase64String(pickle)), $"the global {global} (opcode GLOBAL)", "Nothing in the file was run", "convert it to safetensors");

    public static TheoryData<string, string> Instructions => new()
    {
        { "}.X", "" }, // bytes after the end are not looked at
        { ".", "opcode STOP on an empty stack" },
        { "}", "no end" },
        { "}}.", "unused values" },
        { "(}.", "unused values" },
        { "}(.", "opcode STOP on an empty stack" },
        { "i", "opcode INST (0x69)" },
        { "o", "opcode OBJ" },
        { "P1\n", "opcode PERSID" },
        { "\x81", "opcode NEWOBJ (0x81)" },
        { "\x82", "opcode EXT1" },
        { "\x93", "opcode STACK_GLOBAL" },
        { "0", "opcode POP" },
        { "2", "opcode DUP" },
        { "S'a'\n", "opcode STRING" },
        { "\xff", "byte 0xff, which is not an opcode" },
        { "\x80\x05", "protocol 5" },
        { "R", "opcode REDUCE on an empty stack" },
        { "}R", "opcode REDUCE without a tuple" },
        { "})R", "opcode REDUCE on a value that is not a function" },
        { "ctorch\nFloatStorage\n)R", "opcode REDUCE on a value that is not a function" },
        { "ccollections\nOrderedDict\n}\x85R", "something other than a list of pairs" },
        { "ccollections\nOrderedDict\n]}a\x85R", "something other than a list of pairs" },
        { "ctorch._utils\n_rebuild_tensor_v2\n)R", "a tensor with 0 arguments" },
        { "ctorch._utils\n_rebuild_tensor_v3\n)R", "a tensor without a type" },
        { "ctorch._utils\n_rebuild_parameter\n)R", "a parameter of something other" },
        { "ctorch._utils\n_rebuild_tensor_v2\n(NNNNNNtR", "a tensor without a storage" },
        { "}Q", "something other than a storage" },
        { "]}b", "opcode BUILD on a value" },
        { "}Nb", "opcode BUILD on a value" },
        { "b", "opcode BUILD on an empty stack" },
        { "}Na", "opcode APPEND on a value that is not a list" },
        { "]NNs", "opcode SETITEM on a value that is not a dictionary" },
        { "}(Nu", "a key that has no value" },
        { "}(NNNu", "a key that has no value" },
        { "u", "opcode SETITEMS without a MARK" },
        { "t", "opcode TUPLE without a MARK" },
        { "\x87", "opcode TUPLE on an empty stack" },
        { "N(\x85", "opcode TUPLE on an empty stack" },
        { "q\x01", "opcode BINPUT on an empty stack" },
        { "h\x01", "entry 1 of its memo" },
        { "j\xff\xff\xff\xff", "entry 4294967295 of its memo" },
        { "X\xff\xff\xff\xff", "a string of 4294967295 bytes" },
        { "T\xff\xff\xff\xff", "a string of -1 bytes" },
        { "X\x01\x00\x00\x00\xff", "not valid UTF-8" },
        { "\x8a\u0009" + "123456789", "an integer of 9 bytes" },
        { "\x8a\x08" + "123", "no end" },
        { "c" + new string('a', 200), "a name longer than 128 bytes" },
        { "cos", "no end" },
    };

    [Theory, MemberData(nameof(Instructions))]
    public void A_pickle_that_breaks_its_rules_is_refused_with_the_instruction(string instructions, string fault)
    {
        byte[] pickle = TorchSave.Pickle.Do(instructions).End();
        byte[] file = TorchSave.Archive(instructions is "}" or "cos" or "\x8a\x08" + "123" ? pickle[..^1] : pickle);
        if (fault.Length > 0) Refused(file, fault);
        else PyTorchFile.Open(folder.Write("good.bin", file)).Dispose();
    }

    public static TheoryData<string, long, long, long[], long[], string> Views => new()
    {
        { "Float", 4, -1, [1], [1], "storage offset is -1" },
        { "Float", 4, 5, [1], [1], "outside its storage of 4" },
        { "Float", 4, 0, [5], [1], "outside its storage" },
        { "Float", 4, 1, [2], [3], "outside its storage" },
        { "Float", 4, 0, [-2], [1], "size is (-2)" },
        { "Float", 4, 0, [2], [-1], "stride is (-1)" },
        { "Float", 4, 0, [2, 2], [1], "2 dimensions and 1 strides" },
        { "Float", 4, 0, [long.MaxValue, long.MaxValue], [0, 0], "too many elements" },
        { "Float", 4, 0, [long.MaxValue, 4], [long.MaxValue, long.MaxValue], "too many elements" },
        { "Float", 4, 0, [2], [long.MaxValue], "outside its storage" },
        { "Float", 4, long.MaxValue, [2], [1], "outside its storage" },
        { "Float", 4, 0, [1L << 40], [0], "repeats the 4 elements" },
        { "Float", 5, 0, [4], [1], "has 16 bytes, but should contain 5 elements of 4" },
        { "Float", long.MaxValue, 0, [4], [1], "a storage of 9223372036854775807 elements" },
        { "Float", -1, 0, [4], [1], "a storage of -1 elements" },
    };

    [Theory, MemberData(nameof(Views))]
    public void A_tensor_outside_of_its_storage_is_refused(string kind, long length, long offset, long[] shape, long[] strides, string fault)
        => Refused(TorchSave.Archive(TorchSave.One(kind, "0", length, offset, shape, strides), ("data/0", new byte[16])), fault);

    [Fact]
    public void A_storage_that_is_not_there_is_named()
    {
        byte[] pickle = TorchSave.One("Float", "../../secret", 4, 0, [4], [1]);
        Refused(TorchSave.Archive(pickle), "no entry 'any folder/data/../../secret'");
        Refused(TorchSave.Archive(TorchSave.Pickle.Do("}").Text("w").Storage("Quantized", "0", 1).Do("s").End()), "global torch.QuantizedStorage");
        Refused(TorchSave.Archive(TorchSave.Pickle.Do("(}").Text("w").Tensor("Float", "0", 1, 0, [1], [1]).Text("w").Tensor("Float", "0", 1, 0, [1], [1]).Do("uu").End(), ("data/0", new byte[4])), "opcode SETITEMS");
        Refused(TorchSave.Archive(TorchSave.Pickle.Do("}(").Text("w").Tensor("Float", "0", 1, 0, [1], [1]).Text("w").Tensor("Float", "0", 1, 0, [1], [1]).Do("u").End(), ("data/0", new byte[4])), "'w' is listed twice");
    }

    [Theory]
    [InlineData("}", "values on its stack")]
    [InlineData("(", "values on its stack")]
    [InlineData("]q\0h\0", "values on its stack")]
    [InlineData("}\x85", "values on its stack")]
    public void Bombs_of_small_instructions_end_soon(string repeated, string fault)
        => Light(TorchSave.Archive(TorchSave.Pickle.Do(string.Concat(Enumerable.Repeat(repeated, 3_000_000 / repeated.Length))).End()), fault);

    [Fact]
    public void Nesting_costs_no_stack_of_the_machine_and_steps_are_counted()
    {
        Light(TorchSave.Archive(TorchSave.Pickle.Do("]q\0" + string.Concat(Enumerable.Repeat("\x85", 1_000_000))).End()), "no dictionary of tensors");
        Light(TorchSave.Archive(TorchSave.Pickle.Do("]" + string.Concat(Enumerable.Repeat("N\x85q\0a", 1_000_000))).End()), "more than 4000000 steps");
    }

    [Fact]
    public void Compressed_entries_are_refused_unread()
    {
        using var file = new MemoryStream();
        using (var zip = new ZipArchive(file, ZipArchiveMode.Create, leaveOpen: true))
        {
            using var entry = zip.CreateEntry("a/data.pkl", CompressionLevel.SmallestSize).Open();
            entry.Write(new byte[30_000_000]);
        }
        Light(file.ToArray(), "is compressed");
    }

    [Fact]
    public void A_damaged_archive_is_refused()
    {
        byte[] good = File.ReadAllBytes(PyTorchFileTests.PathOf("module.bin"));
        Refused(good[..^30], "truncated");
        Refused(good[..40], "truncated");
        Refused([.. good, 0], "no list of entries at its end");
        Refused([], "neither a zip archive");
        Refused("\x80\x02}."u8.ToArray(), "neither a zip archive");
        Refused("<html>"u8.ToArray(), "web page");
        Refused(TorchSave.Archive(TorchSave.Pickle.Do("}").End(), ("byteorder", "big"u8.ToArray())), "byte order is 'big'");
        Refused(TorchSave.Archive(TorchSave.Pickle.Do("}").End(), ("data.pkl", [])), "two entries");
        Should.Throw<CheckpointException>(() => PyTorchFile.Open(folder["none.bin"])).Message.ShouldContain("there is no such file");
        Should.Throw<CheckpointException>(() => PyTorchFile.Open(folder)).Message.ShouldContain("PyTorch file in it");
    }

    [Fact]
    public void A_damaged_file_of_the_older_format_is_refused()
    {
        byte[] good = File.ReadAllBytes(PyTorchFileTests.PathOf("legacy-views.bin"));
        Refused(good[..^1], "truncated");
        Refused(good[..100], "runs past the end");
        Refused([.. good[..15], .. TorchSave.Pickle.Do("K\x01").End()], "not version 1001");
        byte[] start = [.. good[..15], .. TorchSave.Pickle.Number(1001).End()];
        Refused([.. start, .. TorchSave.Pickle.Do("}").Text("little_endian").Do("\x89s").End()], "not little-endian");
        start = [.. start, .. TorchSave.Pickle.Do("}").End()];
        byte[] value = TorchSave.One("Float", "7", 2, 0, [2], [1]), keys = TorchSave.Pickle.Do("]").Text("7").Do("a").End();
        byte[] storage = [.. BitConverter.GetBytes(2L), .. new byte[8]];
        PyTorchFile.Open(folder.Write("good.bin", [.. start, .. value, .. keys, .. storage])).Dispose();
        Refused([.. start, .. value, .. keys, .. BitConverter.GetBytes(long.MaxValue)], "truncated");
        Refused([.. start, .. value, .. keys, .. BitConverter.GetBytes(-1L)], "truncated");
        Refused([.. start, .. value, .. keys, .. BitConverter.GetBytes(1L), .. new byte[8]], "has 1 elements, but should have 2");
        Refused([.. start, .. value, .. TorchSave.Pickle.Do("]").End()], "no storage '7'");
        Refused([.. start, .. value, .. TorchSave.Pickle.Do("]").Text("8").Do("a").End(), .. storage], "no tensor uses");
        Refused([.. start, .. value, .. TorchSave.Pickle.Do("]").Text("7").Do("a").Text("7").Do("a").End(), .. storage, .. storage], "twice");
    }

    private void Light(byte[] content, string fault)
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        Refused(content, fault);
        (GC.GetAllocatedBytesForCurrentThread() - before).ShouldBeLessThan(content.Length + 200_000_000);
    }

    private void Refused(byte[] content, params string[] faults)
    {
        string path = folder.Write("bad.bin", content);
        var error = Should.Throw<CheckpointException>(() => PyTorchFile.Open(path).Dispose());
        error.Path.ShouldBe(path);
        foreach (string fault in faults) error.Message.ShouldContain(fault);
    }
}
