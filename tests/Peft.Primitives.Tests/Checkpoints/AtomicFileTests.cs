using Peft.Checkpoints;

namespace Peft.Primitives.Tests.Checkpoints;

public sealed class AtomicFileTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void A_new_file_is_written_with_its_folders()
    {
        string path = folder["a/b/c.json"];
        AtomicFile.WriteText(path, "{\"é\": 1}");
        File.ReadAllBytes(path).ShouldBe("{\"é\": 1}"u8.ToArray(), "UTF-8 without a byte order mark");
    }

    [Fact]
    public void An_old_file_is_replaced_only_when_the_new_one_is_complete()
    {
        string path = folder.Write("f", "old"u8);
        AtomicFile.Write(path, stream =>
        {
            stream.Write("new"u8);
            stream.Flush();
            File.ReadAllText(path).ShouldBe("old");
        });
        File.ReadAllText(path).ShouldBe("new");
        folder.FileNames.ShouldBe(["f"]);
    }

    [Fact]
    public void A_full_disk_leaves_the_old_file_and_nothing_else()
    {
        string path = folder.Write("f", "old"u8);
        var error = Should.Throw<CheckpointException>(() => AtomicFile.Write(path, stream =>
        {
            stream.Write("half"u8);
            throw new IOException("No space left on device.");
        }));
        error.Message.ShouldContain("No space left on device");
        error.Path.ShouldBe(path);
        File.ReadAllText(path).ShouldBe("old");
        folder.FileNames.ShouldBe(["f"]);
    }

    [Fact]
    public void Another_error_of_the_caller_passes_through_and_leaves_the_old_file()
    {
        string path = folder.Write("f", "old"u8);
        Should.Throw<OperationCanceledException>(() => AtomicFile.Write(path, _ => throw new OperationCanceledException()));
        File.ReadAllText(path).ShouldBe("old");
        folder.FileNames.ShouldBe(["f"]);
    }

    [Fact]
    public void Announcing_the_length_does_not_change_the_content()
    {
        AtomicFile.Write(folder["f"], stream => stream.Write("abc"u8), length: 3);
        File.ReadAllText(folder["f"]).ShouldBe("abc");
    }

    [Fact]
    public void A_file_where_a_folder_should_be_is_an_error()
    {
        folder.Write("f", "old"u8);
        Should.Throw<CheckpointException>(() => AtomicFile.WriteText(folder["f/g"], "x"));
        File.ReadAllText(folder["f"]).ShouldBe("old");
    }
}
