using System.Diagnostics;

namespace Peft.Core.Tests.Training;

public sealed class KilledRunTests : IDisposable
{
    private readonly TemporaryFolder root = new();

    [Fact]
    public async Task A_run_killed_at_any_moment_ends_with_the_numbers_of_an_uninterrupted_one()
    {
        var whole = root["whole"];
        (await TrainingHost.RunUntil([whole])).ShouldBeFalse();
        var expected = await File.ReadAllTextAsync(Path.Combine(whole, "result.txt"));
        expected.ShouldStartWith("49 steps");

        // (what to wait for, how often, how long to wait after it): before the first checkpoint, between steps, within the writing
        // of the adapter and of the training state, after the rename. However late the kill, the run stops at its next step.
        var random = new Random(20);
        (string Line, int Count, int Milliseconds)[] kills =
        [
            ("step", 2, 0), ("saving", 1, random.Next(15)), ("step", 6, 0), ("saving", 1, 20 + random.Next(25)),
            ("step", 1 + random.Next(8), 0), ("saving", 2, 20 + random.Next(25)), ("saving", 2, 45),
        ];
        var broken = root["broken"];
        foreach (var (line, count, milliseconds) in kills) (await TrainingHost.RunUntil([broken], line, count, milliseconds)).ShouldBeTrue();
        (await TrainingHost.RunUntil([broken])).ShouldBeFalse();
        (await File.ReadAllTextAsync(Path.Combine(broken, "result.txt"))).ShouldBe(expected);
        foreach (var file in new[] { "trainer_state.json", "training_state.safetensors", "model.safetensors" })
        {
            var bytes = await File.ReadAllBytesAsync(Path.Combine(broken, "checkpoint-49", file));
            bytes.ShouldBe(await File.ReadAllBytesAsync(Path.Combine(whole, "checkpoint-49", file)), file);
        }
        Directory.GetDirectories(broken).ShouldAllBe(folder => !folder.Contains(".peft-"));
    }

    [Fact]
    public async Task A_run_whose_disk_is_full_in_the_middle_of_a_checkpoint_says_so_and_goes_on_from_the_one_before()
    {
        // Only a file size limit of the system makes a real write fail halfway, and Windows has none.
        if (OperatingSystem.IsWindows()) return;
        var whole = root["whole"];
        (await TrainingHost.RunUntil([whole])).ShouldBeFalse();
        var folder = root["full"];
        (await TrainingHost.RunUntil([folder], "saving", 3)).ShouldBeTrue();
        var last = Trainer.FindLastCheckpoint(folder).ShouldNotBeNull();
        var files = Directory.GetFiles(last).ToDictionary(path => path, File.ReadAllBytes);

        // Six blocks of 512 bytes: the model's 932 bytes fit, the 3,420 of the training state do not.
        using (var process = Process.Start(TrainingHost.Start([folder], mostBlocks: 6))!)
        {
            process.StandardInput.Close();
            var output = process.StandardOutput.ReadToEndAsync();
            var errors = await process.StandardError.ReadToEndAsync();
            await output;
            await process.WaitForExitAsync();
            process.ExitCode.ShouldNotBe(0);
            errors.ShouldContain("Peft.Checkpoints.CheckpointException");
            errors.ShouldContain("training_state.safetensors: could not be written");
        }
        Trainer.FindLastCheckpoint(folder).ShouldBe(last);
        foreach (var (path, bytes) in files) File.ReadAllBytes(path).ShouldBe(bytes);
        Directory.GetDirectories(folder).ShouldAllBe(path => !path.Contains(".peft-"));

        (await TrainingHost.RunUntil([folder])).ShouldBeFalse();
        (await File.ReadAllTextAsync(Path.Combine(folder, "result.txt"))).ShouldBe(await File.ReadAllTextAsync(Path.Combine(whole, "result.txt")));
    }

    public void Dispose() => root.Dispose();
}
