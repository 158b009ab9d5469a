using Peft.Checkpoints;

namespace Peft.Primitives.Tests.Checkpoints;

public sealed class PinnedFileTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void A_file_that_nobody_saves_stays_current()
    {
        using var pinned = new PinnedFile(folder.Write("f", "a"u8));
        pinned.IsCurrent.ShouldBeTrue();
    }

    [Fact]
    public void A_save_of_the_same_bytes_is_noticed()
    {
        var path = folder.Write("f", "a"u8);
        using var pinned = new PinnedFile(path);
        AtomicFile.WriteText(path, "b");
        AtomicFile.WriteText(path, "a");
        pinned.IsCurrent.ShouldBeFalse();
    }

    [Fact]
    public void A_missing_file_is_current_until_it_is_written()
    {
        var path = folder["f"];
        using var pinned = new PinnedFile(path);
        pinned.IsCurrent.ShouldBeTrue();
        AtomicFile.WriteText(path, "a");
        pinned.IsCurrent.ShouldBeFalse();
    }

    [Fact]
    public void A_deleted_file_is_no_longer_current()
    {
        var path = folder.Write("f", "a"u8);
        using var pinned = new PinnedFile(path);
        File.Delete(path);
        pinned.IsCurrent.ShouldBeFalse();
    }
}
