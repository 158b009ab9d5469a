namespace Peft.Consumer.Tests;

/// <summary>What somebody meets who knows only the packages.</summary>
public sealed class PackageTests : IDisposable
{
    private const string Version = "0.0.0-consumer";

    private readonly string folder = Directory.CreateTempSubdirectory("peft-consumer-").FullName;

    private string Feed => Path.Combine(folder, "feed");

    private string App => Path.Combine(folder, "App");

    [Fact]
    public void A_new_program_that_adds_the_package_trains_saves_and_loads_a_model_of_its_own()
    {
        foreach (var project in Directory.EnumerateDirectories(Settings.Of("SourceFolder")))
            Run(folder, "pack", project, "--no-build", "--no-restore", "-c", Settings.Of("Configuration"), "-o", Feed, $"-p:MinVerVersionOverride={Version}");
        Run(folder, "pack", Settings.Of("TemplateFolder"), "--no-build", "--no-restore", "-c", Settings.Of("Configuration"), "-o", Feed, $"-p:MinVerVersionOverride={Version}");

        Run(folder, "new", "console", "-o", App, "--no-restore");
        File.WriteAllText(Path.Combine(folder, "nuget.config"), NuGetConfiguration());
        File.Copy(Path.Combine(AppContext.BaseDirectory, "Data", "Program.cs"), Path.Combine(App, "Program.cs"), overwrite: true);
        Run(App, "add", "package", "Peft.Lora", "--version", Version);
        Run(App, "add", "package", $"libtorch-cpu-{Settings.Platform}", "--version", Settings.Of("LibtorchVersion"));
        var output = Run(App, "run", "-c", "Release");

        output.ShouldContain("trainable: ");
        output.ShouldContain("The loss fell: True");
        output.ShouldContain("Outputs are equal: True");

        // A program of the template fine-tunes a model.
        var (made, hive) = (Path.Combine(folder, "Made"), Path.Combine(folder, "hive"));
        Run(folder, "new", "install", Path.Combine(Feed, $"Peft.Templates.{Version}.nupkg"), "--debug:custom-hive", hive);
        Run(folder, "new", "peft", "-o", made, "--debug:custom-hive", hive, "--no-update-check");
        File.ReadAllText(Path.Combine(made, "Made.csproj")).ShouldNotContain("cuda");
        var printed = Run(made, "run", "-c", "Release", "--", Settings.Of("ModelFolder"));
        printed.ShouldContain("trainable: ");
        File.Exists(Path.Combine(made, "adapter", "adapter_model.safetensors")).ShouldBeTrue(printed);
        Run(folder, "new", "peft", "-o", made + "Cuda", "--device", "cuda", "--debug:custom-hive", hive, "--no-restore", "--no-update-check");
        File.ReadAllText(Path.Combine(made + "Cuda", "MadeCuda.csproj")).ShouldContain("TorchSharp-cuda-linux");

        // The first steps as a single file.
        var script = Directory.CreateDirectory(Path.Combine(folder, "script")).FullName;
        File.WriteAllText(Path.Combine(script, "first-lora.cs"), File.ReadAllText(Path.Combine(Settings.Of("AppFolder"), "first-lora.cs"))
            .Replace("@*-*", "@" + Version, StringComparison.Ordinal).Replace("TorchSharp-cpu@0.107.0", $"libtorch-cpu-{Settings.Platform}@{Settings.Of("LibtorchVersion")}", StringComparison.Ordinal));
        Run(script, "run", "first-lora.cs", Settings.Of("ModelFolder")).ShouldContain("The adapter");
        File.Exists(Path.Combine(script, "adapter", "adapter_config.json")).ShouldBeTrue();

        // Methods that no code uses are known all the same, also in a single trimmed file, with their rules: a saved adapter may name them.
        var reader = Path.Combine(folder, "Reader");
        Run(folder, "new", "console", "-o", reader, "--no-restore");
        File.WriteAllText(Path.Combine(reader, "Program.cs"), """
            Console.WriteLine(string.Join(' ', Peft.AdapterMethods.Known.Keys));
            try { Peft.AdapterConfig.Parse("{\"peft_type\": \"HRA\", \"r\": 0}").Validate(); } catch (Peft.AdapterOptionsException error) { Console.WriteLine(error.Message); }
            """);
        Run(reader, "add", "package", "Peft.Adapters", "--version", Version);
        Run(reader, "add", "package", "Peft.Prefix", "--version", Version);
        Run(reader, "publish", "-c", "Release", "-r", Settings.Platform, "--self-contained", "-p:PublishSingleFile=true", "-p:PublishTrimmed=true", "-p:SuppressTrimAnalysisWarnings=true", "-o", Path.Combine(folder, "single"));
        Directory.EnumerateFiles(Path.Combine(folder, "single"), "Peft.*.dll").ShouldBeEmpty();
        var read = Dotnet.Run(Path.Combine(folder, "single", OperatingSystem.IsWindows() ? "Reader.exe" : "Reader"), folder, []);
        read.ShouldContain("HraOptions: Rank must be at least 1, but was 0.");
        var known = read.Split([' ', '\n', '\r'], StringSplitOptions.RemoveEmptyEntries);
        known.ShouldContain("OFT");
        known.ShouldContain("PREFIX_TUNING");
        known.ShouldNotContain("LORA");   // its package is not referenced

        // Tokenizers and the hub need no tensors.
        var reading = Path.Combine(folder, "Text");
        Run(folder, "new", "console", "-o", reading, "--no-restore");
        File.Copy(Path.Combine(AppContext.BaseDirectory, "Data", "Text.cs"), Path.Combine(reading, "Program.cs"), overwrite: true);
        Run(reading, "add", "package", "Peft.Tokenizers", "--version", Version);
        Run(reading, "add", "package", "Peft.Hub", "--version", Version);
        Run(reading, "run", "-c", "Release", "--", Settings.Of("ModelFolder"), folder).ShouldContain("Once upon a time | NotCached");
        Directory.EnumerateFiles(reading, "*.dll", SearchOption.AllDirectories).Select(path => Path.GetFileName(path)).ShouldNotContain("TorchSharp.dll");
    }

    public void Dispose() => Directory.Delete(folder, recursive: true);

    private string Run(string workingFolder, params string[] arguments)
        // Packages of this version go to a folder of this run alone, so that none of an earlier run is ever used.
        => Dotnet.Run(workingFolder, new() { ["NUGET_PACKAGES"] = Path.Combine(folder, "packages") }, arguments);

    // Only libraries built here come from the feed; what is installed already (libtorch above all) is read where it lies.
    private string NuGetConfiguration() => $"""
        <configuration>
          <packageSources><add key="built-here" value="{Feed}" /></packageSources>
          <fallbackPackageFolders><add key="installed" value="{Settings.InstalledPackages}" /></fallbackPackageFolders>
        </configuration>
        """;
}
