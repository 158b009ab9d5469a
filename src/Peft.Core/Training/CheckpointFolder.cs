using System.Globalization;
using Peft.Checkpoints;

namespace Peft;

/// <summary>A folder <c>checkpoint-STEP</c> that is complete: it gets its name when all its files are written.</summary>
internal sealed record CheckpointFolder(string Path, int Step)
{
    private const string Prefix = "checkpoint-";
    private const string Unfinished = ".tmp";
    private const string Replaced = ".old";

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
        using (File.Create(System.IO.Path.Combine(outputFolder, $".{Guid.NewGuid():N}{Unfinished}"), 1, FileOptions.DeleteOnClose)) { }
        Recover(outputFolder);
    });

    /// <summary>Writes a checkpoint such that it is seen whole or not at all, and never less is there than before.</summary>
    /// <param name="outputFolder">Folder of all checkpoints.</param>
    /// <param name="step">Steps done.</param>
    /// <param name="fill">Writes the files into the folder that it is given.</param>
    /// <exception cref="CheckpointException">It could not be written: the disk is full, for instance. What was there before is there still.</exception>
    public static string Write(string outputFolder, int step, Action<string> fill)
    {
        var path = PathOf(outputFolder, step);
        Named(path, () => Replace(path, fill));
        return path;
    }

    private static void Replace(string path, Action<string> fill)
    {
        var (unfinished, replaced) = (path + Unfinished, path + Replaced);
        Delete(unfinished);
        Directory.CreateDirectory(unfinished);
        try
        {
            fill(unfinished);
        }
        catch
        {
            Delete(unfinished);   // on a full disk the room is needed
            throw;
        }
        if (Directory.Exists(path))
        {
            Delete(replaced);
            Directory.Move(path, replaced);
        }
        Directory.Move(unfinished, path);
        Delete(replaced);
    }

    /// <summary>Clears what a killed run left: unfinished folders go, a replaced one without successor comes back.</summary>
    public static void Recover(string outputFolder)
    {
        if (!Directory.Exists(outputFolder)) return;
        foreach (var replaced in Directory.GetDirectories(outputFolder, Prefix + "*" + Replaced))
        {
            var path = replaced[..^Replaced.Length];
            if (Directory.Exists(path)) Delete(replaced);
            else Directory.Move(replaced, path);
        }
        foreach (var unfinished in Directory.GetDirectories(outputFolder, Prefix + "*" + Unfinished)) Delete(unfinished);
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
            var doomed = folder.Path + Unfinished;
            Delete(doomed);
            Directory.Move(folder.Path, doomed);
            Delete(doomed);
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

    private static void Delete(string path)
    {
        if (Directory.Exists(path)) Directory.Delete(path, recursive: true);
    }
}
