namespace Peft.Cli;

/// <summary>The folder that a command writes.</summary>
internal static class OutputFolder
{
    public static Option<string> Required(string description) => new("--output", "-o") { Description = description, HelpName = "folder", Required = true };

    /// <summary>The folder.</summary>
    /// <exception cref="ToolException">It holds files already, so that the command would mix two models.</exception>
    public static string New(ToolContext context, Option<string> option)
    {
        var folder = context.Get(option)!;
        if (File.Exists(folder)) throw new ToolException($"{folder} is a file: name a folder.");
        if (Directory.Exists(folder) && Directory.EnumerateFileSystemEntries(folder).Any()) throw new ToolException($"{folder} is not empty: name a new folder, or empty this one.");
        return folder;
    }

    /// <summary>Creates a folder now, so that a path that cannot be written is not found out after hours.</summary>
    /// <exception cref="ToolException">It cannot be created.</exception>
    public static void Create(string folder)
    {
        try
        {
            Directory.CreateDirectory(folder);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new ToolException($"The folder {folder} cannot be created ({error.Message}): name another by --output.", error);
        }
    }

    /// <summary>Tells what was written.</summary>
    public static void Report(ToolContext context, string folder, object? facts = null, params (string Name, object? Value)[] more)
    {
        var files = new DirectoryInfo(folder).EnumerateFiles("*", SearchOption.AllDirectories).OrderBy(file => file.FullName, StringComparer.Ordinal).Select(file => new { Name = Path.GetRelativePath(folder, file.FullName), Bytes = file.Length }).ToList();
        context.Result(new { Output = folder, Files = files, Facts = facts },
            console => console.Fields([("output", folder), .. files.Select(file => (file.Name, (object?)Show.Bytes(file.Bytes))), .. more]));
    }
}
