using static TorchSharp.torch;

namespace Peft.Checkpoints;

/// <summary>
/// The weights in a model folder as one set of tensors, whether they lie in a single <c>model.safetensors</c> or in shards that
/// <c>model.safetensors.index.json</c> lists, as Hugging Face's transformers saves them.
/// </summary>
public sealed class ShardedCheckpoint : ITensorSource
{
    internal const string DefaultName = "model.safetensors";

    readonly Dictionary<string, SafetensorsFile> shards;
    readonly OrderedDictionary<string, TensorEntry> tensors = [];
    readonly Dictionary<string, SafetensorsFile> owners = [];

    ShardedCheckpoint(string folder, Dictionary<string, SafetensorsFile> shards) => (Folder, this.shards) = (folder, shards);

    /// <summary>The folder, as it was given to <see cref="Open"/>.</summary>
    public string Folder { get; }

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, TensorEntry> Tensors => tensors;

    /// <summary>Opens the single file of a folder, or else all shards of its index. With an index, tensors that it does not list are left out.</summary>
    /// <param name="folder">The model folder.</param>
    /// <param name="fileName">Name of the single file; the index has the same name and <c>.index.json</c>.</param>
    /// <exception cref="CheckpointException">
    /// Neither file is there, the index is damaged or names a file outside the folder, or a shard is missing, damaged or lacks a tensor of the index.
    /// </exception>
    public static ShardedCheckpoint Open(string folder, string fileName = DefaultName)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        string single = Path.Combine(folder, fileName), index = single + ShardIndex.Suffix;
        var checkpoint = new ShardedCheckpoint(folder, []);
        try
        {
            if (File.Exists(single)) checkpoint.AddAll(checkpoint.Shard(fileName));
            else if (File.Exists(index)) checkpoint.AddListed(index, ShardIndex.Read(index));
            else throw new CheckpointException(folder, $"holds neither {fileName} nor {fileName}{ShardIndex.Suffix}. Is it the model's folder?");
            return checkpoint;
        }
        catch
        {
            checkpoint.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public Tensor Read(string name, Device? device = null, ScalarType? dtype = null) => Owner(name).Read(name, device, dtype);

    /// <inheritdoc/>
    public void CopyInto(string name, Tensor destination) => Owner(name).CopyInto(name, destination);

    /// <summary>Closes all files. Tensors that were read stay valid.</summary>
    public void Dispose()
    {
        foreach (var shard in shards.Values) shard.Dispose();
    }

    void AddAll(SafetensorsFile file)
    {
        foreach (var entry in file.Tensors.Values) Add(entry, file);
    }

    void AddListed(string index, IReadOnlyDictionary<string, string> weightMap)
    {
        foreach (var (name, fileName) in weightMap)
        {
            var file = Shard(fileName);
            if (!file.Tensors.TryGetValue(name, out var entry))
                throw new CheckpointException(index, $"says that tensor '{name}' is in {fileName}, which does not hold it. Files of different saves are mixed.");
            Add(entry, file);
        }
    }

    void Add(TensorEntry entry, SafetensorsFile file)
    {
        tensors.Add(entry.Name, entry);
        owners.Add(entry.Name, file);
    }

    SafetensorsFile Shard(string fileName)
    {
        if (!shards.TryGetValue(fileName, out var shard)) shards[fileName] = shard = SafetensorsFile.Open(Path.Combine(Folder, fileName));
        return shard;
    }

    SafetensorsFile Owner(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return owners.TryGetValue(name, out var file) ? file : throw SafetensorsFile.TensorNotFound(Folder, name, tensors.Keys);
    }
}
