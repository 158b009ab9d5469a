using System.Runtime.InteropServices;
using Peft.Checkpoints;

namespace Peft.Primitives.Tests.Checkpoints;

public sealed partial class FolderSaveTests : IDisposable
{
    private const UnixFileMode Mode = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute | UnixFileMode.GroupRead;

    private readonly TemporaryFolder folder = new();

    private string Target => folder["adapter"];

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Files_of_a_new_folder_appear_together()
    {
        using (var save = FolderSave.Begin(Target))
        {
            save.WriteText("a", "1");
            save.WriteText("deep/b", "1");
            Directory.Exists(Target).ShouldBeFalse();
            save.Commit();
        }
        ShouldHold("1");
        Entries().ShouldBe(["adapter"]);
    }

    [Fact]
    public void What_is_not_committed_leaves_no_trace()
    {
        using (var save = FolderSave.Begin(Target)) save.WriteText("a", "1");
        Entries().ShouldBeEmpty();
        Save("1");
        using (var save = FolderSave.Begin(Target)) save.WriteText("a", "2");
        ShouldHold("1");
        Directory.EnumerateFileSystemEntries(Target).Count().ShouldBe(2);
    }

    [Fact]
    public void A_save_beside_a_folder_puts_nothing_into_it_before_it_is_committed()
    {
        Save("1");
        string[] before = [.. Directory.EnumerateFileSystemEntries(Target)];
        using (var save = FolderSave.Begin(Target, beside: true))
        {
            save.WriteText("a", "2");
            save.WriteText("deep/b", "2");
            Directory.EnumerateFileSystemEntries(Target).ShouldBe(before);
            ShouldHold("1");
            save.Commit();
        }
        ShouldHold("2");
        Entries().ShouldBe(["adapter"]);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void What_is_there_besides_stays_as_it_is(bool inPlace)
    {
        Save("1");
        Directory.CreateDirectory(Path.Combine(Target, "deep", "mine"));
        File.WriteAllText(Path.Combine(Target, "deep", "mine", "notes"), "kept");
        File.WriteAllText(Path.Combine(Target, "log"), "begun ");
        File.WriteAllText(Path.Combine(Target, "old-1"), "");
        if (!OperatingSystem.IsWindows())
        {
            File.CreateSymbolicLink(Path.Combine(Target, "link"), "log");
            foreach (var path in new[] { Target, Path.Combine(Target, "deep", "mine") }) File.SetUnixFileMode(path, Mode);
        }
        // Another save that is going on keeps this one from exchanging the folder.
        using var other = inPlace ? FolderSave.Begin(Target) : null;
        using (var log = new FileStream(Path.Combine(Target, "log"), FileMode.Append, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete))
        {
            using var save = FolderSave.Begin(Target);
            save.Replaces(name => name.StartsWith("old-", StringComparison.Ordinal) || name == "a");   // which this save writes
            save.WriteText("a", "2");
            save.WriteText("deep/b", "2");
            save.Commit();
            log.Write("and goes on"u8);
        }
        ShouldHold("2");
        File.ReadAllText(Path.Combine(Target, "deep", "mine", "notes")).ShouldBe("kept");
        File.ReadAllText(Path.Combine(Target, "log")).ShouldBe("begun and goes on");
        File.Exists(Path.Combine(Target, "old-1")).ShouldBeFalse();
        if (!OperatingSystem.IsWindows())
        {
            new FileInfo(Path.Combine(Target, "link")).LinkTarget.ShouldBe("log");
            foreach (var path in new[] { Target, Path.Combine(Target, "deep", "mine") }) File.GetUnixFileMode(path).ShouldBe(Mode);
        }
        other?.Dispose();
        Entries().ShouldBe(["adapter"]);
        Directory.EnumerateFileSystemEntries(Target, ".*").ShouldBeEmpty();
    }

    [Fact]
    public void On_Linux_an_open_folder_is_exchanged_as_one()
    {
        if (!OperatingSystem.IsLinux()) return;
        Save("1");
        var before = UnixFiles.Stat(Target)!.Value.Number;
        Save("2");
        UnixFiles.Stat(Target)!.Value.Number.ShouldNotBe(before);
    }

    [Fact]
    public void The_folder_that_a_process_works_in_stays_its_folder()
    {
        Save("1");
        var before = Environment.CurrentDirectory;
        try
        {
            Environment.CurrentDirectory = Target;
            Save("2");
            File.ReadAllText("a").ShouldBe("2");
            Save("3");
            File.ReadAllText(Path.Combine("deep", "b")).ShouldBe("3");
        }
        finally
        {
            Environment.CurrentDirectory = before;
        }
    }

    [Fact]
    public void A_folder_with_thousands_of_other_entries_is_written_in_place()
    {
        if (!OperatingSystem.IsLinux()) return;
        Save("1");
        for (var i = 0; i <= 10_000; i++) File.WriteAllBytes(Path.Combine(Target, $"other-{i}"), []);
        var before = UnixFiles.Stat(Target)!.Value.Number;
        Save("2");
        ShouldHold("2");
        UnixFiles.Stat(Target)!.Value.Number.ShouldBe(before);
        Directory.EnumerateFiles(Target).Count().ShouldBe(10_002);
        Directory.EnumerateFileSystemEntries(Target, ".*").ShouldBeEmpty();
    }

    [Fact]
    public void A_save_that_was_made_but_not_put_in_place_is_finished_by_who_reads_or_saves_next()
    {
        foreach (var read in new[] { true, false })
        {
            Save("1");
            File.WriteAllText(Path.Combine(Target, "old"), "");
            Interrupt("2");
            if (read) FolderSave.Recover(Target);
            else using (var save = FolderSave.Begin(Target)) { }
            ShouldHold("2");
            File.Exists(Path.Combine(Target, "old")).ShouldBeFalse();
            Directory.EnumerateFileSystemEntries(Target, ".*").ShouldBeEmpty();
        }
    }

    [Fact]
    public void The_subfolder_that_an_interrupted_save_holds_files_of_is_finished_too()
    {
        Save("1");
        Interrupt("2");
        FolderSave.Recover(Path.Combine(Target, "deep"));
        ShouldHold("2");
    }

    [Fact]
    public void What_killed_processes_left_goes_with_the_next_save_but_not_what_a_living_one_needs()
    {
        Save("1");
        using var living = FolderSave.Begin(Target);
        using var newcomer = FolderSave.Begin(folder["other"]);
        foreach (var place in new[] { Target, folder.Path })
        {
            Directory.CreateDirectory(Path.Combine(place, ".peft-dead.writing", "deep"));
            File.WriteAllText(Path.Combine(place, ".peft-dead.writing", "deep", "b"), "half");
            File.WriteAllText(Path.Combine(place, ".peft-dead.lock"), "");
        }
        Save("2");
        ShouldHold("2");
        Directory.EnumerateFileSystemEntries(folder, ".peft-dead*", SearchOption.AllDirectories).ShouldBeEmpty();
        living.WriteText("a", "3");
        living.WriteText("deep/b", "3");
        living.Commit();
        ShouldHold("3");
        newcomer.WriteText("a", "1");
        newcomer.Commit();
        File.ReadAllText(Path.Combine(folder["other"], "a")).ShouldBe("1");
    }

    [Fact]
    public void Saves_of_many_threads_into_one_folder_and_its_subfolders_lose_nothing()
    {
        Parallel.For(0, 8, new ParallelOptions { MaxDegreeOfParallelism = 8 }, thread =>
        {
            for (var i = 0; i < 20; i++)
            {
                Save($"{thread}.{i}", thread < 2 ? Target : Path.Combine(Target, $"named-{thread}"));
                AtomicFile.WriteText(Path.Combine(Target, $"single-{thread}"), $"{i}");
            }
        });
        File.ReadAllText(Path.Combine(Target, "a")).ShouldBe(File.ReadAllText(Path.Combine(Target, "deep", "b")));
        for (var thread = 0; thread < 8; thread++)
        {
            File.ReadAllText(Path.Combine(Target, $"single-{thread}")).ShouldBe("19");
            if (thread >= 2) ShouldHold($"{thread}.19", Path.Combine(Target, $"named-{thread}"));
        }
        Save("last");
        Directory.EnumerateFileSystemEntries(folder, ".peft-*", SearchOption.AllDirectories).ShouldBeEmpty();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_link_to_a_folder_stays_a_link_wherever_that_folder_lies(bool onAnotherFileSystem)
    {
        if (OperatingSystem.IsWindows()) return;
        // Another file system, where there is one.
        var elsewhere = onAnotherFileSystem && Directory.Exists("/dev/shm") ? $"/dev/shm/peft-{Guid.NewGuid():N}" : folder["elsewhere"];
        try
        {
            Save("1", Path.Combine(elsewhere, "adapter"));
            Directory.CreateSymbolicLink(Target, Path.Combine(elsewhere, "adapter"));
            Save("2");
            new DirectoryInfo(Target).LinkTarget.ShouldBe(Path.Combine(elsewhere, "adapter"));
            ShouldHold("2");
            Directory.EnumerateFileSystemEntries(elsewhere).ShouldBe([Path.Combine(elsewhere, "adapter")]);
        }
        finally
        {
            Directory.Delete(elsewhere, recursive: true);
        }
    }

    [Fact]
    public void A_folder_in_the_place_of_a_file_is_named_and_nothing_is_changed()
    {
        Save("1");
        Directory.CreateDirectory(Path.Combine(Target, "taken"));
        using (var save = FolderSave.Begin(Target))
        {
            save.WriteText("a", "2");
            var error = Should.Throw<CheckpointException>(() => save.WriteText("taken", "2"));
            error.Path.ShouldBe(Path.Combine(Target, "taken"));
            error.Message.ShouldContain("is a folder");
        }
        ShouldHold("1");
        Directory.Exists(Path.Combine(Target, "taken")).ShouldBeTrue();
    }

    [Fact]
    public void A_save_that_another_process_leaves_half_in_place_meanwhile_does_not_come_back_over_this_one()
    {
        Save("1");
        using (var save = FolderSave.Begin(Target))
        {
            save.WriteText("a", "3");
            save.WriteText("deep/b", "3");
            Interrupt("2");
            save.Commit();
        }
        ShouldHold("3");
        FolderSave.Recover(Target);
        ShouldHold("3");
        Directory.EnumerateFileSystemEntries(Target, ".*").ShouldBeEmpty();
    }

    [Fact]
    public void A_folder_that_is_a_mount_point_is_written_in_place()
    {
        if (!Directory.Exists("/dev/shm")) return;
        var name = $"peft-{Guid.NewGuid():N}";
        try
        {
            foreach (var content in new[] { "1", "2" })
            {
                using var save = FolderSave.Begin("/dev/shm");
                save.WriteText(name, content);
                save.WriteText(name + "b", content);
                save.Commit();
                foreach (var file in new[] { name, name + "b" }) File.ReadAllText(Path.Combine("/dev/shm", file)).ShouldBe(content);
            }
        }
        finally
        {
            foreach (var file in new[] { name, name + "b" }) File.Delete(Path.Combine("/dev/shm", file));
        }
    }

    [Fact]
    public void A_parent_folder_without_write_permission_is_no_obstacle_and_a_folder_without_is_named()
    {
        if (!OperatingSystem.IsLinux()) return;
        Save("1");
        AsNobody(() =>
        {
            Save("2");
            ShouldHold("2");
            var error = Should.Throw<CheckpointException>(() => Save("1", folder["new"]));
            error.Path.ShouldBe(folder["new"]);
            error.Message.ShouldContain("could not be written");
        }, writable: [Target, Path.Combine(Target, "deep")]);
        ShouldHold("2");
        AsNobody(() => Should.Throw<CheckpointException>(() => Save("3")).Message.ShouldContain("The old files are unchanged"), writable: []);
        ShouldHold("2");
    }

    [Theory]
    [InlineData("/proc/1/adapter")]
    [InlineData("/proc/adapter")]
    [InlineData("/dev/null/adapter")]
    [InlineData("/dev/null")]
    public void Places_where_nothing_can_be_written_are_named(string path)
    {
        if (!OperatingSystem.IsLinux()) return;
        Should.Throw<CheckpointException>(() => Save("1", path)).Message.ShouldStartWith(path);
        Should.Throw<CheckpointException>(() => AtomicFile.WriteText(Path.Combine(path, "f"), "1"));
    }

    [Fact]
    public void Names_that_are_too_long_and_links_that_lead_nowhere_are_named()
    {
        var longName = folder[new string('x', 300)];
        Should.Throw<CheckpointException>(() => Save("1", longName)).Path.ShouldBe(longName);
        Should.Throw<CheckpointException>(() => AtomicFile.WriteText(longName, "1"));
        if (!OperatingSystem.IsWindows())
        {
            Directory.CreateSymbolicLink(folder["dangling"], folder["nowhere"]);
            Should.Throw<CheckpointException>(() => Save("1", folder["dangling"]));
        }
        Should.Throw<ArgumentException>(() => Save("1", "a\0b"));
    }

    // Takes the right to write from the folders, but for some; for root as another user, which the file system then sees in this thread.
    private void AsNobody(Action action, string[] writable)
    {
        const int Nobody = 65534;
        string[] all = [folder.Path, .. Directory.GetDirectories(folder, "*", SearchOption.AllDirectories)];
        foreach (var path in all)
        {
            if (Environment.IsPrivilegedProcess) UnixFiles.TryChangeOwner(path, writable.Contains(path) ? Nobody : 0u, 0).ShouldBeTrue();
            SetMode(path, writable.Contains(path) ? 0b111_111_101 : 0b101_101_101);
        }
        try
        {
            if (Environment.IsPrivilegedProcess) _ = SetFileUser(Nobody);   // gives the user before
            action();
        }
        finally
        {
            if (Environment.IsPrivilegedProcess) _ = SetFileUser(0);
            foreach (var path in all) SetMode(path, 0b111_111_101);
        }

        static void SetMode(string path, int mode)
        {
            if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(path, (UnixFileMode)mode);
        }
    }

    private void Save(string content, string? path = null) => AtomicFolder.Write(path ?? Target, into =>
    {
        File.WriteAllText(Path.Combine(into, "a"), content);
        File.WriteAllText(Path.Combine(Directory.CreateDirectory(Path.Combine(into, "deep")).FullName, "b"), content);
    });

    // As a process leaves it that is killed between two of its renames.
    private void Interrupt(string content)
    {
        var written = Directory.CreateDirectory(Path.Combine(Target, ".peft-dead.written")).FullName;
        File.WriteAllText(Path.Combine(Target, ".peft-dead.lock"), "");
        File.WriteAllText(Path.Combine(written, ".peft-obsolete"), "old\n");
        File.WriteAllText(Path.Combine(Target, "a"), content);
        File.WriteAllText(Path.Combine(Directory.CreateDirectory(Path.Combine(written, "deep")).FullName, "b"), content);
    }

    private void ShouldHold(string content, string? path = null)
    {
        File.ReadAllText(Path.Combine(path ?? Target, "a")).ShouldBe(content);
        File.ReadAllText(Path.Combine(path ?? Target, "deep", "b")).ShouldBe(content);
    }

    private IEnumerable<string> Entries() => Directory.EnumerateFileSystemEntries(folder).Select(path => Path.GetFileName(path)).Order(StringComparer.Ordinal);

    [LibraryImport("libc", EntryPoint = "setfsuid")]
    private static partial int SetFileUser(int user);
}
