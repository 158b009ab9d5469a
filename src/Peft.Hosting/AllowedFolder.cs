namespace Peft.Hosting;

/// <summary>Finds the folder of an adapter that a request names. Neither <c>..</c> nor a symbolic link leads out of the allowed folders.</summary>
internal static class AllowedFolder
{
    /// <summary>The folder's real path.</summary>
    /// <exception cref="AdapterRefusedException">It is not below an allowed folder, or does not exist.</exception>
    public static string Find(string folder, IEnumerable<string> allowed)
    {
        if (folder.Length == 0 || folder.Contains('\0', StringComparison.Ordinal)) throw new AdapterRefusedException("Name the folder of an adapter.");
        foreach (var root in allowed.Select(Path.GetFullPath))
        {
            var path = Path.GetFullPath(folder, root);
            if (!IsBelow(path, root) || !Directory.Exists(path)) continue;
            var real = Real(path);
            if (IsBelow(real, Real(root))) return real;
        }
        // One message, as a difference would tell which folders exist.
        throw new AdapterRefusedException($"There is no folder '{folder}' from which this host may load adapters: it must lie below one of {PeftOptions.Section}:{nameof(PeftOptions.AdapterFolders)}.");
    }

    private static bool IsBelow(string path, string root)
        => path.StartsWith(Path.TrimEndingDirectorySeparator(root) + Path.DirectorySeparatorChar, OperatingSystem.IsWindows() ? StringComparison.OrdinalIgnoreCase : StringComparison.Ordinal);

    // Without symbolic links in any part.
    private static string Real(string path)
    {
        var parent = Path.GetDirectoryName(Path.TrimEndingDirectorySeparator(path));
        if (parent is null) return path;
        var here = Path.Combine(Real(parent), Path.GetFileName(Path.TrimEndingDirectorySeparator(path)));
        return Directory.ResolveLinkTarget(here, returnFinalTarget: true) is { } target ? Real(target.FullName) : here;
    }
}
