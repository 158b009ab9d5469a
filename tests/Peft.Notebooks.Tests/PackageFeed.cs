using System.Text.RegularExpressions;

namespace Peft.Notebooks.Tests;

/// <summary>A folder of the packages that notebooks use, packed from what is built here.</summary>
internal static partial class PackageFeed
{
    // Newer than any that a feed serves: *-* selects it.
    private const string Version = "9999.0.0-notebooks";

    /// <summary>Packs packages, and those that they depend on.</summary>
    public static void Pack(IEnumerable<string> packages, string feed)
    {
        var all = new HashSet<string>();
        void Add(string package)
        {
            if (!all.Add(package)) return;
            foreach (Match reference in Reference().Matches(File.ReadAllText(Project(package)))) Add(reference.Groups[1].Value);
        }
        foreach (var package in packages) Add(package);
        // One process for all is several times as fast as a `dotnet pack` for each.
        Directory.CreateDirectory(feed);
        var projects = string.Join(';', all.Select(Project));
        var traversal = Path.Combine(feed, "pack.proj");
        File.WriteAllText(traversal, $"""
            <Project>
              <Target Name="Pack">
                <MSBuild Projects="{projects}" Targets="Pack" BuildInParallel="true" Properties="NoBuild=true;_IsPacking=true;Configuration={Settings.Configuration};PackageOutputPath={feed};MinVerVersionOverride={Version}" />
              </Target>
            </Project>
            """);
        Dotnet.Run(Settings.Repository, [], "msbuild", traversal, "-t:Pack", "-m:2", "-nologo", "-v:quiet");
    }

    private static string Project(string package) => Path.Combine(Settings.Repository, "src", package, package + ".csproj");

    [GeneratedRegex(@"ProjectReference Include=""[^""]*/(Peft\.\w+)\.csproj""")]
    private static partial Regex Reference();
}
