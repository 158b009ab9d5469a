using System.Reflection;

namespace Peft.Consumer.Tests;

/// <summary>Where things are.</summary>
internal static class Settings
{
    /// <summary>The folder of the packages that this machine has.</summary>
    public static string InstalledPackages => Environment.GetEnvironmentVariable("NUGET_PACKAGES") is { Length: > 0 } own
        ? own : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".nuget", "packages");

    public static string Platform => OperatingSystem.IsWindows() ? "win-x64" : OperatingSystem.IsMacOS() ? "osx-arm64" : "linux-x64";

    /// <summary>A value of the project file.</summary>
    public static string Of(string key) => typeof(Settings).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(each => each.Key == key).Value!;
}
