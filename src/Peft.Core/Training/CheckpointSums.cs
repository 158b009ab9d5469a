using System.Security.Cryptography;
using Peft.Checkpoints;

namespace Peft;

/// <summary>
/// The file <c>SHA256SUMS</c> of a training checkpoint: a checksum per file, in the format of <c>sha256sum --check</c>. A run can be resumed only from files
/// that are unchanged since they were saved.
/// </summary>
internal static class CheckpointSums
{
    public const string FileName = "SHA256SUMS";

    /// <summary>Writes the checksums of all files of a folder.</summary>
    public static void Write(string folder)
    {
        // The state is last, so that a truncated list lacks it.
        var files = Disk.FilesOf(folder).Where(file => file != FileName).OrderBy(file => file == RunState.FileName);
        AtomicFile.WriteText(Path.Combine(folder, FileName), string.Concat(files.Select(file => $"{SumOf(Path.Combine(folder, file))}  {file.Replace('\\', '/')}\n")));
    }

    /// <summary>Throws if a folder's files differ from those that were saved.</summary>
    /// <exception cref="TrainingException">A file, or the list of checksums, is missing, truncated or changed.</exception>
    public static void Verify(string folder)
    {
        var listed = new HashSet<string>();
        foreach (var line in Lines(folder))
        {
            if (line.Length < 67 || line[64..66] != "  " || Path.IsPathRooted(line[66..]) || line[66..].Split('/', '\\').Contains("..")) throw Refused(folder, $"its {FileName} is damaged");
            var (sum, file) = (line[..64], line[66..]);
            listed.Add(file);
            if (SumOf(folder, file) is not { } found) throw Refused(folder, $"its {file} is missing");
            if (found != sum) throw Refused(folder, $"its {file} does not match its checksum in {FileName}, so it was truncated or changed since it was saved");
        }
        if (!listed.Contains(RunState.FileName) || !listed.Contains(RunState.TensorFileName)) throw Refused(folder, $"its {FileName} is damaged");
    }

    private static string[] Lines(string folder)
    {
        try
        {
            var text = JsonFile.Read(Path.Combine(folder, FileName));
            return text.EndsWith('\n') ? text[..^1].Split('\n') : throw Refused(folder, $"its {FileName} is damaged");
        }
        catch (CheckpointException error)
        {
            throw new TrainingException($"{folder} is not a checkpoint: {error.Message} Use a folder checkpoint-STEP that a trainer wrote.", error);
        }
    }

    private static string? SumOf(string folder, string file)
    {
        var path = Path.Combine(folder, file);
        if (!File.Exists(path)) return null;
        try
        {
            return SumOf(path);
        }
        catch (Exception error) when (DiskFault.Is(error))
        {
            throw Refused(folder, $"its {file} cannot be read ({error.Message})", error);
        }
    }

    private static string SumOf(string path)
    {
        using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete);
        return Convert.ToHexStringLower(SHA256.HashData(stream));
    }

    private static TrainingException Refused(string folder, string problem, Exception? inner = null)
    {
        var others = Path.GetDirectoryName(Path.GetFullPath(folder)) is { } output
            ? CheckpointFolder.All(output).Select(other => other.Path).Where(path => Path.GetFullPath(path) != Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder))).Reverse().Take(3).ToList() : [];
        var message = $"Training cannot resume from {folder}: {problem}. Resume from another checkpoint{(others.Count > 0 ? $", such as {string.Join(" or ", others)}" : "")}.";
        return inner is null ? new(message) : new(message, inner);
    }
}
