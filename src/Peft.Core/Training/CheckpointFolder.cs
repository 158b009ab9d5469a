using System.Globalization;
using Peft.Checkpoints;

namespace Peft;

/// <summary>A complete checkpoint folder <c>checkpoint-STEP</c>. A folder gets this name only after all its files are written.</summary>
internal sealed record CheckpointFolder(string Path, int Step)
{
    private const string Prefix = "checkpoint-";

    /// <summary>Finds all complete checkpoints of an output folder, by step.</summary>
    public static IReadOnlyList<CheckpointFolder> All(string outputFolder)
        => !Directory.Exists(outputFolder)
            ? []
            : [.. Directory.EnumerateDirectories(outputFolder, Prefix + "*").Select(Parse).OfType<CheckpointFolder>().OrderBy(folder => folder.Step)];

    /// <summary>Returns the path of the checkpoint of a step, which need not exist.</summary>
    public static string PathOf(string outputFolder, int step)
        => System.IO.Path.Combine(outputFolder, Prefix + step.ToString(CultureInfo.InvariantCulture));

    /// <summary>Prepares the output folder of a run, so that a folder that is not writable is reported before training instead of at the first checkpoint.</summary>
    /// <exception cref="CheckpointException">The folder is not writable.</exception>
    public static void Prepare(string outputFolder) => Named(outputFolder, () =>
    {
        Directory.CreateDirectory(outputFolder);
        using (FolderSave.Begin(PathOf(outputFolder, 0))) { }
    });

    /// <summary>Writes a checkpoint atomically: it is complete or absent, and previous checkpoints are not affected.</summary>
    /// <param name="outputFolder">Folder of all checkpoints.</param>
    /// <param name="step">Number of completed steps.</param>
    /// <param name="fill">Writes the files to the given folder.</param>
    /// <exception cref="CheckpointException">The checkpoint could not be written, for example because the disk is full. Previous checkpoints are unchanged.</exception>
    public static string Write(string outputFolder, int step, Action<string> fill)
    {
        var path = PathOf(outputFolder, step);
        Named(path, () => AtomicFolder.Write(path, folder =>
        {
            fill(folder);
            CheckpointSums.Write(folder);
        }));
        return path;
    }

    /// <summary>Deletes all checkpoints except the latest ones and one that must be kept.</summary>
    /// <exception cref="CheckpointException">A checkpoint cannot be deleted.</exception>
    public static void Prune(string outputFolder, int keep, string? always) => Named(outputFolder, () => DeleteOld(outputFolder, keep, always));

    private static void DeleteOld(string outputFolder, int keep, string? always)
    {
        foreach (var folder in All(outputFolder).SkipLast(keep))
        {
            if (folder.Path == always) continue;

            // Renamed first, so that a partially deleted folder is not mistaken for a checkpoint.
            using var mark = SaveMark.Create(outputFolder);
            Directory.Move(folder.Path, mark.PathOf(SaveMark.Writing));
            Directory.Delete(mark.PathOf(SaveMark.Writing), recursive: true);
        }
    }

    private static void Named(string path, Action action)
    {
        try
        {
            action();
        }
        catch (Exception error) when (DiskFault.Is(error))
        {
            throw new CheckpointException(path, $"could not be written or replaced ({error.Message}). Earlier checkpoints are unchanged: free disk space, or check the permissions, and resume from the last one with ResumeFrom.", error);
        }
    }

    private static CheckpointFolder? Parse(string path)
        => int.TryParse(System.IO.Path.GetFileName(path).AsSpan(Prefix.Length), NumberStyles.None, CultureInfo.InvariantCulture, out var step)
            ? new(path, step)
            : null;
}
