using System.Diagnostics;

namespace Peft.Consumer.Tests;

/// <summary>Runs the SDK as somebody at a terminal does.</summary>
internal static class Dotnet
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(10);

    /// <summary>Runs a command, which must succeed, and returns what it printed.</summary>
    public static string Run(string folder, Dictionary<string, string> environment, params string[] arguments) => Run("dotnet", folder, environment, arguments);

    /// <summary>Runs a program, which must succeed, and returns what it printed.</summary>
    public static string Run(string program, string folder, Dictionary<string, string> environment, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments) { WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true };
        // The test runner's own SDK settings must not reach the program's build.
        foreach (var name in start.Environment.Keys.Where(name => name.StartsWith("MSBUILD", StringComparison.OrdinalIgnoreCase)).ToList()) start.Environment.Remove(name);
        foreach (var (name, value) in environment) start.Environment[name] = value;
        // Build servers would outlive the command and hold its output open.
        start.Environment["MSBUILDDISABLENODEREUSE"] = "1";
        start.Environment["UseSharedCompilation"] = "false";

        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync();
        var errors = process.StandardError.ReadToEndAsync();
        if (!process.WaitForExit(Limit))
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException($"{program} {string.Join(' ', arguments)} did not end within {Limit}.");
        }
        var printed = output.Result + errors.Result;
        process.ExitCode.ShouldBe(0, $"{program} {string.Join(' ', arguments)} said: {printed}");
        return printed;
    }
}
