using System.Text.RegularExpressions;
using static TorchSharp.torch;

namespace Peft.Checkpoints;

/// <summary>Writes the weights of a model to a folder, split into shards as Hugging Face's transformers does.</summary>
public static partial class ShardedCheckpointWriter
{
    private static readonly Dictionary<string, string> Metadata = new() { ["format"] = "pt" };

    /// <summary>
    /// Writes <c>model.safetensors</c>, or <c>model-00001-of-00003.safetensors</c> and so on with <c>model.safetensors.index.json</c> if the tensors exceed one
    /// shard. The save is atomic: the folder always contains either the complete old weights or the complete new ones. Files of an earlier save are deleted; other
    /// files are kept.
    /// </summary>
    /// <param name="folder">The model folder; it is created if it does not exist.</param>
    /// <param name="tensors">Tensors by name; shards are filled in this order.</param>
    /// <param name="maxShardBytes">Maximum size of the tensors of a shard in bytes. A larger tensor gets a separate shard.</param>
    /// <exception cref="ArgumentException">As for <see cref="SafetensorsWriter.Write"/>.</exception>
    /// <exception cref="CheckpointException">A file could not be written.</exception>
    public static void Write(string folder, IReadOnlyDictionary<string, Tensor> tensors, long maxShardBytes = 5_000_000_000)
        => Write(folder, tensors, maxShardBytes, new Dictionary<string, string>());

    /// <summary>Like the public overload, but also writes text files in the same atomic save.</summary>
    internal static void Write(string folder, IReadOnlyDictionary<string, Tensor> tensors, long maxShardBytes, IReadOnlyDictionary<string, string> texts)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        ArgumentNullException.ThrowIfNull(tensors);
        ArgumentOutOfRangeException.ThrowIfLessThan(maxShardBytes, 1);
        var shards = Split(tensors, maxShardBytes, out long totalSize);
        var weightMap = new Dictionary<string, string>();
        using var save = FolderSave.Begin(folder);
        // A single file left next to new shards would be read instead of them.
        save.Replaces(SavedFile().IsMatch);
        for (int i = 0; i < shards.Count; i++)
        {
            string file = shards.Count == 1 ? ShardedCheckpoint.DefaultName : $"model-{i + 1:D5}-of-{shards.Count:D5}.safetensors";
            SafetensorsWriter.Stage(save, file, shards[i], Metadata);
            foreach (string name in shards[i].Keys) weightMap.Add(name, file);
        }
        if (shards.Count > 1) save.Write(ShardedCheckpoint.DefaultName + ShardIndex.Suffix, stream => ShardIndex.Write(stream, weightMap, totalSize));
        foreach (var (name, text) in texts) save.WriteText(name, text);
        save.Commit();
    }

    private static List<Dictionary<string, Tensor>> Split(IReadOnlyDictionary<string, Tensor> tensors, long maxShardBytes, out long totalSize)
    {
        var shards = new List<Dictionary<string, Tensor>>();
        var current = new Dictionary<string, Tensor>();
        long size = 0;
        totalSize = 0;
        foreach (var (name, tensor) in tensors)
        {
            long bytes = SafetensorsLayout.TypeOf(name, tensor).ByteLength(tensor.shape)!.Value;
            totalSize += bytes;
            if (bytes > maxShardBytes)
            {
                shards.Add(new() { [name] = tensor });
                continue;
            }
            if (size + bytes > maxShardBytes)
            {
                shards.Add(current);
                (current, size) = ([], 0);
            }
            current.Add(name, tensor);
            size += bytes;
        }
        if (current.Count > 0 || shards.Count == 0) shards.Add(current);
        return shards;
    }

    [GeneratedRegex(@"^model(-\d{5}-of-\d{5})?\.safetensors(\.index\.json)?$")]
    private static partial Regex SavedFile();
}
