using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;

namespace Peft;

/// <summary>Scores completions by a program: a JSON object for each on a line of its standard input, its reward on a line of its standard output.</summary>
internal sealed class ProgramScores(string program, IReadOnlyList<string> arguments)
{
    private const int MostErrorText = 500;

    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false);

    /// <summary>Runs the program once for all completions.</summary>
    /// <exception cref="InvalidOperationException">The program cannot be started, failed, or wrote something else than numbers.</exception>
    public async Task<IReadOnlyList<double?>> Of(IReadOnlyList<Completion> completions, CancellationToken cancellation)
    {
        using var process = Start();
        try
        {
            var (output, errors) = (process.StandardOutput.ReadToEndAsync(cancellation), process.StandardError.ReadToEndAsync(cancellation));
            await Write(process.StandardInput, completions, cancellation).ConfigureAwait(false);
            await process.WaitForExitAsync(cancellation).ConfigureAwait(false);
            var (text, message) = (await output.ConfigureAwait(false), (await errors.ConfigureAwait(false)).Trim());
            if (process.ExitCode != 0) throw new InvalidOperationException($"{program} ended with exit code {process.ExitCode}{(message.Length == 0 ? "." : $": {message[^Math.Min(message.Length, MostErrorText)..]}")}");
            return text.TrimEnd() is { Length: > 0 } lines ? [.. lines.Split('\n', StringSplitOptions.TrimEntries).Select(Reward)] : [];
        }
        catch (OperationCanceledException)
        {
            if (!process.HasExited) process.Kill(entireProcessTree: true);
            throw;
        }
    }

    private Process Start()
    {
        var process = new Process
        {
            StartInfo = new(program, arguments)
            {
                RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true,
                StandardInputEncoding = Utf8, StandardOutputEncoding = Utf8, StandardErrorEncoding = Utf8,
            },
        };
        try
        {
            process.Start();
            return process;
        }
        catch (Win32Exception error)
        {
            process.Dispose();
            throw new InvalidOperationException($"{program} could not be started: {error.Message}", error);
        }
    }

    private static async Task Write(StreamWriter input, IReadOnlyList<Completion> completions, CancellationToken cancellation)
    {
        try
        {
            await using (input.ConfigureAwait(false))
            {
                foreach (var completion in completions) await input.WriteAsync((Line(completion) + "\n").AsMemory(), cancellation).ConfigureAwait(false);
            }
        }
        catch (IOException)
        {
            // The program ended, or closed its input, before it read everything. Its exit code and output say what that means.
        }
    }

    private static string Line(Completion completion) => new JsonObject
    {
        ["row"] = completion.Row,
        ["prompt"] = completion.PromptText,
        ["completion"] = completion.Text,
        ["prompt_ids"] = new JsonArray([.. completion.Prompt.Select(id => JsonValue.Create(id))]),
        ["completion_ids"] = new JsonArray([.. completion.Tokens.Select(id => JsonValue.Create(id))]),
        ["truncated"] = completion.IsTruncated,
        ["fields"] = completion.Fields.DeepClone(),
    }.ToJsonString();

    private double? Reward(string line, int index)
        => line == "null" ? null
            : double.TryParse(line, NumberStyles.Float, CultureInfo.InvariantCulture, out var value) ? value
            : throw new InvalidOperationException($"Line {index + 1} of the output of {program} is '{line}', but must be a number, or null where the program does not apply.");
}
