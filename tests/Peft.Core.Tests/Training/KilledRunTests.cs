using System.Diagnostics;

namespace Peft.Core.Tests.Training;

public sealed class KilledRunTests : IDisposable
{
    private readonly string root = Directory.CreateTempSubdirectory("peft-killed-").FullName;

    [Fact]
    public async Task A_run_killed_at_any_moment_ends_with_the_numbers_of_an_uninterrupted_one()
    {
        var whole = Path.Combine(root, "whole");
        (await RunUntil(whole, null, 0)).ShouldBeFalse();
        var expected = await File.ReadAllTextAsync(Path.Combine(whole, "result.txt"));
        expected.ShouldStartWith("49 steps");

        // (what to wait for, how often, how long to wait after it): before the first checkpoint, between steps, within the writing
        // of the adapter and of the training state, after the rename.
        var random = new Random(20);
        (string Line, int Count, int Milliseconds)[] kills =
        [
            ("step", 2, 0), ("saving", 1, random.Next(15)), ("step", 6, 1), ("saving", 1, 20 + random.Next(25)),
            ("step", 1 + random.Next(8), random.Next(3)), ("saving", 2, 20 + random.Next(25)), ("saving", 2, 45),
        ];
        var broken = Path.Combine(root, "broken");
        foreach (var (line, count, milliseconds) in kills) (await RunUntil(broken, line, count, milliseconds)).ShouldBeTrue();
        (await RunUntil(broken, null, 0)).ShouldBeFalse();
        (await File.ReadAllTextAsync(Path.Combine(broken, "result.txt"))).ShouldBe(expected);
        foreach (var file in new[] { "trainer_state.json", "training_state.safetensors", "model.safetensors" })
        {
            var bytes = await File.ReadAllBytesAsync(Path.Combine(broken, "checkpoint-49", file));
            bytes.ShouldBe(await File.ReadAllBytesAsync(Path.Combine(whole, "checkpoint-49", file)), file);
        }
        Directory.GetDirectories(broken).ShouldAllBe(folder => !folder.EndsWith(".tmp") && !folder.EndsWith(".old"));
    }

    public void Dispose() => Directory.Delete(root, recursive: true);

    /// <summary>Runs the host to its end, or kills it (SIGKILL) some time after it has written a line for the n-th time.</summary>
    /// <returns>Whether it was killed.</returns>
    private static async Task<bool> RunUntil(string folder, string? line, int count, int milliseconds = 0)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath is { } path && Path.GetFileNameWithoutExtension(path) == "dotnet" ? path : "dotnet")
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.ArgumentList.Add(Path.Combine(AppContext.BaseDirectory, "Peft.Training.TestHost.dll"));
        start.ArgumentList.Add(folder);
        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync();
        while (await process.StandardOutput.ReadLineAsync() is { } output)
        {
            if (output != line || --count > 0) continue;
            await Task.Delay(milliseconds);
            process.Kill();
            await process.WaitForExitAsync();
            return true;
        }
        await process.WaitForExitAsync();
        process.ExitCode.ShouldBe(0, await errors);
        return false;
    }
}
