using System.Reflection;

namespace Peft.Notebooks.Tests;

/// <summary>What the build tells the tests.</summary>
internal static class Settings
{
    public static string Repository => Of("RepositoryFolder");

    public static string Configuration => Of("Configuration");

    public static string LibtorchVersion => Of("LibtorchVersion");

    public static string Platform => OperatingSystem.IsWindows() ? "win-x64" : OperatingSystem.IsMacOS() ? "osx-arm64" : "linux-x64";

    public static string InstalledPackages => Environment.GetEnvironmentVariable("NUGET_PACKAGES") is { Length: > 0 } own
        ? own : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".nuget", "packages");

    private static string Of(string key) => typeof(Settings).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(each => each.Key == key).Value!;
}
