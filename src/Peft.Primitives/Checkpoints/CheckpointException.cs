namespace Peft.Checkpoints;

/// <summary>
/// A weight file is missing, damaged or malicious, is of another format than its name suggests, or could not be written. A failed write leaves an existing file
/// unchanged.
/// </summary>
public sealed class CheckpointException : PeftException
{
    /// <summary>Creates an error about a file or folder.</summary>
    /// <param name="path">The file or folder.</param>
    /// <param name="problem">The problem, its location in the file, and what to do.</param>
    /// <param name="inner">The cause, if there is one.</param>
    public CheckpointException(string path, string problem, Exception? inner = null) : base($"{path}: {problem}", inner)
        => Path = path;

    /// <summary>The file or folder that the error is about.</summary>
    public string Path { get; }
}
