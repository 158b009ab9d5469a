namespace Peft.Cli;

/// <summary>Exit codes of the tool.</summary>
internal static class ExitCode
{
    /// <summary>The command did what was asked.</summary>
    public const int Success = 0;

    /// <summary>The command was refused: the message says what was wrong and what to do.</summary>
    public const int Refused = 1;

    /// <summary>The command failed unexpectedly.</summary>
    public const int Failed = 2;

    /// <summary>Interrupted (Ctrl-C): 128 + SIGINT.</summary>
    public const int Interrupted = 130;
}
