using System.Diagnostics;

namespace Peft.Testing;

/// <summary>The program Peft.Training.TestHost, which tests start and kill. The test project references it.</summary>
public static class TrainingHost
{
    /// <summary>Runs the host to its end, or kills it (SIGKILL) some time after it has written a line for the n-th time.</summary>
    /// <param name="arguments">The host's arguments; the first is the run's output folder.</param>
    /// <param name="line">The line to wait for; null to run to the end.</param>
    /// <param name="count">How often it must have been written.</param>
    /// <param name="milliseconds">How long to wait after it.</param>
    /// <returns>Whether it was killed.</returns>
    public static async Task<bool> RunUntil(IReadOnlyList<string> arguments, string? line = null, int count = 0, int milliseconds = 0)
    {
        using var process = Process.Start(Start(arguments))!;
        var errors = process.StandardError.ReadToEndAsync();
        while (await process.StandardOutput.ReadLineAsync() is { } output)
        {
            if (output != line || --count > 0)
            {
                if (output == "step") await process.StandardInput.WriteLineAsync();
                continue;
            }
            await Task.Delay(milliseconds);
            process.Kill();
            await process.WaitForExitAsync();
            return true;
        }
        await process.WaitForExitAsync();
        process.ExitCode.ShouldBe(0, await errors);
        return false;
    }

    /// <summary>How the host is started.</summary>
    /// <param name="arguments">The host's arguments.</param>
    /// <param name="mostBlocks">Blocks of 512 bytes that a file may have; null for no limit.</param>
    public static ProcessStartInfo Start(IReadOnlyList<string> arguments, int? mostBlocks = null)
    {
        var dotnet = Environment.ProcessPath is { } path && Path.GetFileNameWithoutExtension(path) == "dotnet" ? path : "dotnet";
        var start = new ProcessStartInfo(mostBlocks is null ? dotnet : "/bin/sh") { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        if (mostBlocks is not null)
        {
            // The signal that goes with the limit would end the process; the runtime's own mapped memory counts as a file.
            start.Environment["DOTNET_EnableWriteXorExecute"] = "0";
            foreach (var argument in new[] { "-c", $"trap '' XFSZ; ulimit -f {mostBlocks}; exec \"$@\"", "sh", dotnet }) start.ArgumentList.Add(argument);
        }
        foreach (var argument in arguments.Prepend(Path.Combine(AppContext.BaseDirectory, "Peft.Training.TestHost.dll"))) start.ArgumentList.Add(argument);
        return start;
    }
}
