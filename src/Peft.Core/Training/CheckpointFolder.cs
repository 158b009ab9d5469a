using System.Globalization;
using Peft.Checkpoints;

namespace Peft;

/// <summary>A folder <c>checkpoint-STEP</c> that is complete: it gets its name when all its files are written.</summary>
internal sealed record CheckpointFolder(string Path, int Step)
{
    private const string Prefix = "checkpoint-";

    /// <summary>All complete checkpoints of an output folder, by step.</summary>
    public static IReadOnlyList<CheckpointFolder> All(string outputFolder)
        => !Directory.Exists(outputFolder)
            ? []
            : [.. Directory.EnumerateDirectories(outputFolder, Prefix + "*").Select(Parse).OfType<CheckpointFolder>().OrderBy(folder => folder.Step)];

    /// <summary>Where the checkpoint of a step is or will be.</summary>
    public static string PathOf(string outputFolder, int step)
        => System.IO.Path.Combine(outputFolder, Prefix + step.ToString(CultureInfo.InvariantCulture));

    /// <summary>Makes an output folder ready for a run, which would be in vain if it turned out only at the first checkpoint that none can be written.</summary>
    /// <exception cref="CheckpointException">Nothing can be written there.</exception>
    public static void Prepare(string outputFolder) => Named(outputFolder, () =>
    {
        Directory.CreateDirectory(outputFolder);
        using (FolderSave.Begin(PathOf(outputFolder, 0))) { }
    });

    /// <summary>Writes a checkpoint such that it is seen whole or not at all, and never less is there than before.</summary>
    /// <param name="outputFolder">Folder of all checkpoints.</param>
    /// <param name="step">Steps done.</param>
    /// <param name="fill">Writes the files into the folder that it is given.</param>
    /// <exception cref="CheckpointException">It could not be written: the disk is full, for instance. What was there before is there still.</exception>
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

    /// <summary>Deletes all but the last checkpoints and one that is to be kept.</summary>
    /// <exception cref="CheckpointException">One cannot be deleted.</exception>
    public static void Prune(string outputFolder, int keep, string? always) => Named(outputFolder, () => DeleteOld(outputFolder, keep, always));

    private static void DeleteOld(string outputFolder, int keep, string? always)
    {
        foreach (var folder in All(outputFolder).SkipLast(keep))
        {
            if (folder.Path == always) continue;

            // Renamed first: a folder that is half deleted must not pass for a checkpoint.
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
            throw new CheckpointException(path, $"could not be written or replaced ({error.Message}) Checkpoints that were there before are unchanged: make room, or see who may write there, and go on from the last one by ResumeFrom.", error);
        }
    }

    private static CheckpointFolder? Parse(string path)
        => int.TryParse(System.IO.Path.GetFileName(path).AsSpan(Prefix.Length), NumberStyles.None, CultureInfo.InvariantCulture, out var step)
            ? new(path, step)
            : null;
}
