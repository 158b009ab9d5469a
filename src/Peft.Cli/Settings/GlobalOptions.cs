namespace Peft.Cli;

/// <summary>Options of all commands.</summary>
internal static class GlobalOptions
{
    public static Option<bool> Json { get; } = new("--json") { Description = "Write the result as JSON to the standard output, and everything else to the standard error.", Recursive = true };

    public static Option<bool> Verbose { get; } = new("--verbose") { Description = "Show where an error happened, and the log of the library.", Recursive = true };

    public static Option<string> Config { get; } = new("--config") { Description = "A YAML file whose keys are names of options. The command line takes precedence.", HelpName = "file.yaml", Recursive = true };
}
