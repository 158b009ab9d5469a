namespace Peft.Hub;

/// <summary>Sums the progress of all files of a call, and reports it at the start and the end of each file and after each mebibyte.</summary>
internal sealed class ProgressMeter(IProgress<HubProgress>? listener, string repository, long? total)
{
    private const long Step = 1 << 20;
    private readonly Lock telling = new();
    private readonly Dictionary<string, (long Bytes, long Told)> files = new(StringComparer.Ordinal);
    private long all;

    /// <summary>Sets the current number of bytes of a file.</summary>
    public void Tell(string file, long bytes, long? size)
    {
        lock (telling)
        {
            var known = files.TryGetValue(file, out var before);
            all += bytes - before.Bytes;
            var due = !known || bytes < before.Bytes || bytes - before.Told >= Step || (bytes == size && before.Told != bytes);
            files[file] = (bytes, due ? bytes : before.Told);
            if (due) listener?.Report(new(repository, file, bytes, size, all, total));
        }
    }
}
