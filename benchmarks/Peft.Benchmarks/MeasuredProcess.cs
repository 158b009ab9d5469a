using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Peft.Benchmarks;

/// <summary>A measurement in a process of its own: of this program, or of any other.</summary>
/// <param name="TokensPerSecond">Its tokens per second.</param>
/// <param name="Megabytes">Its peak memory; null if it does not say.</param>
internal sealed record MeasuredProcess(double TokensPerSecond, double? Megabytes)
{
    /// <summary>Runs a command of this program.</summary>
    /// <param name="arguments">Its arguments, as on the command line.</param>
    public static MeasuredProcess OfThis(string arguments)
    {
        // "dotnet run" starts an executable; "dotnet Peft.Benchmarks.dll" does not.
        var (path, first) = (Environment.ProcessPath!, Environment.GetCommandLineArgs()[0]);
        var command = Path.GetFileNameWithoutExtension(path) == "dotnet" ? $"\"{path}\" \"{first}\" {arguments}" : $"\"{path}\" {arguments}";
        return Of(command);
    }

    /// <summary>Runs a command in the system's shell. The last line that it prints is the tokens per second: a number, or JSON with <c>tokens_per_s</c> and perhaps <c>peak_rss_mb</c>.</summary>
    /// <exception cref="InvalidOperationException">It failed, or its last line is something else.</exception>
    public static MeasuredProcess Of(string command)
    {
        var start = OperatingSystem.IsWindows() ? new ProcessStartInfo("cmd.exe", $"/c {command}") : new ProcessStartInfo("/bin/sh", ["-c", command]);
        start.RedirectStandardOutput = start.RedirectStandardError = true;
        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync();
        var last = Last(process.StandardOutput.ReadToEnd());
        process.WaitForExit();
        if (process.ExitCode != 0) throw new InvalidOperationException($"'{command}' ended with exit code {process.ExitCode}: {Last(errors.GetAwaiter().GetResult())}");
        return Read(last) ?? throw new InvalidOperationException($"The last line that '{command}' printed must be its tokens per second, a number or JSON with \"tokens_per_s\", but is '{last}'.");
    }

    private static string Last(string text) => text.Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).LastOrDefault() ?? "";

    private static MeasuredProcess? Read(string line)
    {
        if (double.TryParse(line, NumberStyles.Float, CultureInfo.InvariantCulture, out var number)) return new(number, null);
        try
        {
            return JsonNode.Parse(line) is JsonObject json && json["tokens_per_s"] is JsonValue tokens ? new(tokens.GetValue<double>(), json["peak_rss_mb"]?.GetValue<double>()) : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
