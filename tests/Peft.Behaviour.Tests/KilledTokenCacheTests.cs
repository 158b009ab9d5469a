using System.Diagnostics;

namespace Peft.Behaviour.Tests;

/// <summary>Processes that share a token cache are killed (SIGKILL) at random moments, and every entry that others find must be whole.</summary>
public sealed class KilledTokenCacheTests : BehaviourTests
{
    private const int Datasets = 30, Processes = 3, Kills = 5, Series = 6;

    private string Cache => Path.Combine(Folder, "cache");

    [Fact]
    public async Task Processes_and_threads_that_tokenize_the_same_datasets_never_find_a_damaged_one()
    {
        var random = new Random(2026);
        var interrupted = 0;
        // A whole series of kills may miss the writes: others follow, each with an empty cache.
        for (var series = 0; series < Series && interrupted == 0; series++)
        {
            if (Directory.Exists(Cache)) Directory.Delete(Cache, recursive: true);
            interrupted = await KillAsync(random);
        }
        interrupted.ShouldBeGreaterThan(0, "else no kill came within a write");

        using var last = Start(Datasets + 1);
        var output = last.StandardOutput.ReadToEndAsync();
        (await last.StandardError.ReadToEndAsync()).ShouldBeEmpty();
        (await output).Split('\n', StringSplitOptions.RemoveEmptyEntries).Length.ShouldBe(2 * (Datasets + 1));
        await last.WaitForExitAsync();
        last.ExitCode.ShouldBe(0);
        Directory.GetDirectories(Cache).Length.ShouldBe(Datasets + 1);
        Unfinished.ShouldBeEmpty("the next write clears up");
    }

    // Returns the number of writes that kills interrupted.
    private async Task<int> KillAsync(Random random)
    {
        var interrupted = 0;
        for (var kill = 1; kill <= Kills; kill++)
        {
            var running = Enumerable.Range(0, Processes).Select(_ => Start(Datasets)).ToList();
            // Two threads say each number: the datasets of earlier rounds are found, the next ones are being written.
            for (var line = 0; line < 10 * kill; line++) (await running[0].StandardOutput.ReadLineAsync()).ShouldNotBeNull();
            await Task.Delay(random.Next(20));
            foreach (var process in running) process.Kill();
            foreach (var process in running)
            {
                await process.WaitForExitAsync();
                (await process.StandardError.ReadToEndAsync()).ShouldBeEmpty();
                process.Dispose();
            }
            interrupted += Unfinished.Count();
        }
        return interrupted;
    }

    private IEnumerable<string> Unfinished => Directory.EnumerateFileSystemEntries(Cache, ".peft-*", SearchOption.AllDirectories);

    private Process Start(int datasets)
    {
        var dotnet = Environment.ProcessPath is { } path && Path.GetFileNameWithoutExtension(path) == "dotnet" ? path : "dotnet";
        var start = new ProcessStartInfo(dotnet) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var argument in new[] { Path.Combine(AppContext.BaseDirectory, "Peft.Saving.TestHost.dll"), "tokens", Cache, Path.Combine(AppContext.BaseDirectory, "stories260K"), $"{datasets}" }) start.ArgumentList.Add(argument);
        return Process.Start(start)!;
    }
}
