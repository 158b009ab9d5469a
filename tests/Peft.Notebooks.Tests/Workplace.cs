using System.Text.RegularExpressions;

namespace Peft.Notebooks.Tests;

/// <summary>A folder in which notebooks run: with the packages, and the model and data where the notebooks look for them.</summary>
internal sealed partial class Workplace : IDisposable
{
    private const string ToolVersion = "1.0.712001";

    private readonly string folder = Directory.CreateTempSubdirectory("peft-notebooks-").FullName;
    private readonly IReadOnlyList<string> references;

    public Workplace()
    {
        references = [.. Notebook.All.SelectMany(notebook => Reference().Matches(OwnPlatform(Notebook.Source(notebook.CodeCells[0]))).Select(match => match.Value)).Distinct()];
        PackageFeed.Pack(references.Select(line => PeftPackage().Match(line)).Where(match => match.Success).Select(match => match.Groups[1].Value), Feed);
        Copy("models/stories260K");
        Copy("data/tinyshakespeare");
        Directory.CreateDirectory(Path.Combine(folder, "examples", "notebooks"));
    }

    private string Feed => Path.Combine(folder, "feed");

    private static string Tool
    {
        get
        {
            var tools = Path.Combine(Settings.Repository, "artifacts", "tools");
            Directory.Exists(Path.Combine(tools, ".store", "microsoft.dotnet-interactive", ToolVersion)).ShouldBeTrue($"Microsoft.dotnet-interactive {ToolVersion} is missing in {tools}: run ./build.sh setup.");
            return Path.Combine(tools, OperatingSystem.IsWindows() ? "dotnet-interactive.exe" : "dotnet-interactive");
        }
    }

    /// <summary>Starts a kernel that has the packages of all notebooks.</summary>
    public Kernel Start()
    {
        var kernel = new Kernel(Tool, Path.Combine(folder, "examples", "notebooks"), Path.Combine(folder, "packages"));
        kernel.Run($"#i \"nuget:{Feed}\"");
        kernel.Run(string.Join('\n', references));
        return kernel;
    }

    /// <summary>The code of a cell with the native package of this machine.</summary>
    public static string OwnPlatform(string code) => code.Replace("libtorch-cpu-linux-x64, 2.10.0", $"libtorch-cpu-{Settings.Platform}, {Settings.LibtorchVersion}", StringComparison.Ordinal);

    public void Dispose() => Directory.Delete(folder, recursive: true);

    private void Copy(string path)
    {
        var target = Directory.CreateDirectory(Path.Combine(folder, path)).FullName;
        foreach (var file in Directory.EnumerateFiles(Path.Combine(Settings.Repository, path))) File.Copy(file, Path.Combine(target, Path.GetFileName(file)));
    }

    [GeneratedRegex(@"#r ""nuget: ?[^""]+""")]
    private static partial Regex Reference();

    [GeneratedRegex(@"nuget: ?(Peft\.\w+)")]
    private static partial Regex PeftPackage();
}
