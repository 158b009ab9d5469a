using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Peft.Notebooks.Tests;

/// <summary>The kernel of .NET Interactive in its stdio mode, which opens no port: a command a line goes in, an event a line comes out.</summary>
internal sealed class Kernel : IDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(5);

    private readonly Process process;
    private readonly Task<string> errors;
    private int commands;

    /// <summary>Starts a kernel.</summary>
    /// <param name="tool">The program of the tool.</param>
    /// <param name="folder">Folder in which cells run.</param>
    /// <param name="packages">Folder of the packages that cells install.</param>
    public Kernel(string tool, string folder, string packages)
    {
        var start = new ProcessStartInfo(tool, ["stdio", "--default-kernel", "csharp", "--working-dir", folder])
        {
            WorkingDirectory = folder, RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true,
        };
        // The test runner's own SDK settings must not reach the kernel's restore.
        foreach (var name in start.Environment.Keys.Where(name => name.StartsWith("MSBUILD", StringComparison.OrdinalIgnoreCase)).ToList()) start.Environment.Remove(name);
        start.Environment["DOTNET_INTERACTIVE_CLI_TELEMETRY_OPTOUT"] = "1";
        start.Environment["MSBUILDDISABLENODEREUSE"] = "1";
        start.Environment["NUGET_PACKAGES"] = packages;
        start.Environment["NUGET_FALLBACK_PACKAGES"] = Settings.InstalledPackages;   // libtorch above all is read where it lies
        process = Process.Start(start)!;
        errors = process.StandardError.ReadToEndAsync();
    }

    public bool IsRunning => !process.HasExited;

    /// <summary>Runs the code of a cell.</summary>
    /// <returns>The events that carry outputs, with their types.</returns>
    /// <exception cref="KernelException">The code failed.</exception>
    public IReadOnlyList<(string Type, JsonObject Event)> Run(string code)
    {
        var token = $"cell-{++commands}";
        var command = new JsonObject { ["token"] = token, ["commandType"] = "SubmitCode", ["command"] = new JsonObject { ["code"] = code, ["targetKernelName"] = "csharp" } };
        process.StandardInput.WriteLine(command.ToJsonString());
        process.StandardInput.Flush();
        using var late = new CancellationTokenSource(Limit);
        using var end = late.Token.Register(() => process.Kill(entireProcessTree: true));
        var outputs = new List<(string, JsonObject)>();
        while (process.StandardOutput.ReadLine() is { } line)
        {
            if (Parse(line) is not { } envelope) continue;   // what a program writes past the console
            var (type, content) = ((string?)envelope["eventType"], envelope["event"]?.AsObject());
            var isOwn = (string?)envelope["command"]?["token"] == token;
            switch (type)
            {
                case "CommandSucceeded" when isOwn: return outputs;
                case "CommandFailed" when isOwn: throw new KernelException($"{(string?)content!["message"]}\n{string.Join('\n', outputs.Select(each => Plain(each.Item2)))}\nin the cell\n{code}");
                case "DisplayedValueProduced" or "DisplayedValueUpdated" or "ReturnValueProduced" or "StandardOutputValueProduced" or "StandardErrorValueProduced" or "ErrorProduced": outputs.Add((type, content!)); break;
            }
        }
        throw new KernelException($"The kernel ended{(late.IsCancellationRequested ? $" after {Limit}" : "")} in the cell\n{code}\n{errors.Result}");
    }

    public void Dispose()
    {
        if (!process.HasExited) process.Kill(entireProcessTree: true);
        process.WaitForExit();
        process.Dispose();
    }

    private static string Plain(JsonObject output) => string.Concat(output["formattedValues"]?.AsArray().Select(value => (string?)value!["value"]) ?? []);

    private static JsonNode? Parse(string line)
    {
        try
        {
            return line.StartsWith('{') ? JsonNode.Parse(line) : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
