namespace Peft.Cli;

/// <summary>Rows that a command line names.</summary>
/// <param name="Path">The file, folder or name that was given.</param>
/// <param name="Rows">The rows; null for a text file that is cut into blocks.</param>
internal sealed record DataSource(string Path, Dataset? Rows);
