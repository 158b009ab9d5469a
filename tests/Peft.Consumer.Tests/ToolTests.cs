namespace Peft.Consumer.Tests;

/// <summary>The tool, installed from its package. The package has no libtorch here, since compressing it takes minutes: eng/test-tool.sh tests the one that has it.</summary>
public sealed class ToolTests : IDisposable
{
    private const string Version = "0.0.0-consumer";

    private readonly string folder = Directory.CreateTempSubdirectory("peft-tool-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void The_tool_is_installed_and_trains()
    {
        Dotnet.Run(folder, [], "pack", Path.Combine(Settings.Of("SourceFolder"), "Peft.Cli"), "--no-build", "--no-restore", "-c", Settings.Of("Configuration"), "-o", Path.Combine(folder, "feed"),
            $"-p:MinVerVersionOverride={Version}", "-p:PackTool=true", "-p:ToolRuntimes=none");
        File.WriteAllText(Path.Combine(folder, "nuget.config"), $"""<configuration><packageSources><clear /><add key="built-here" value="{Path.Combine(folder, "feed")}" /></packageSources></configuration>""");
        Dotnet.Run(folder, new() { ["NUGET_PACKAGES"] = Path.Combine(folder, "packages") }, "tool", "install", "Peft.Cli", "--tool-path", "tool", "--version", Version);

        Peft("methods").ShouldContain("lora");
        Peft("[suggest:3]", "tra").Trim().ShouldBe("train");
        Peft("doctor", "--json").ShouldContain("\"ok\": true");
        File.WriteAllText(Path.Combine(folder, "text.txt"), string.Concat(Enumerable.Repeat("Once upon a time there was a dog. ", 40)));
        Peft("train", "--model", Settings.Of("ModelFolder"), "--data", "text.txt", "--block-size", "16", "--max-steps", "2", "--output", "out").ShouldContain("step 2/2");
        File.Exists(Path.Combine(folder, "out", "adapter_model.safetensors")).ShouldBeTrue();
        File.Exists(Path.Combine(folder, "out", "report.html")).ShouldBeTrue();
    }

    private string Peft(params string[] arguments)
    {
        var path = OperatingSystem.IsWindows() ? "PATH" : OperatingSystem.IsMacOS() ? "DYLD_LIBRARY_PATH" : "LD_LIBRARY_PATH";
        var libtorch = Path.Combine(Settings.InstalledPackages, $"libtorch-cpu-{Settings.Platform}", Settings.Of("LibtorchVersion"), "runtimes", Settings.Platform, "native");
        return Dotnet.Run(Path.Combine(folder, "tool", OperatingSystem.IsWindows() ? "peft.exe" : "peft"), folder, new() { [path] = libtorch + Path.PathSeparator + Environment.GetEnvironmentVariable(path) }, arguments);
    }
}
