namespace Peft.Checkpoints;

/// <summary>A weight file is missing, damaged, hostile, not what its name says, or could not be written. A file that was there before a failed write is untouched.</summary>
public sealed class CheckpointException : PeftException
{
    /// <summary>An error about one file or folder.</summary>
    /// <param name="path">The file or folder.</param>
    /// <param name="problem">What is wrong, where in the file, and what to do.</param>
    /// <param name="inner">The error underneath, if there is one.</param>
    public CheckpointException(string path, string problem, Exception? inner = null) : base($"{path}: {problem}", inner)
        => Path = path;

    /// <summary>The file or folder that the error is about.</summary>
    public string Path { get; }
}
