using static TorchSharp.torch;

namespace Peft.Checkpoints;

/// <summary>
/// The weights in a model folder as one set of tensors, whether they lie in a single <c>model.safetensors</c> or in shards that
/// <c>model.safetensors.index.json</c> lists, as Hugging Face's transformers saves them, in PyTorch's older <c>pytorch_model.bin</c>, or in the
/// parameters of a <c>model.onnx</c>.
/// </summary>
public sealed class ShardedCheckpoint : ITensorSource
{
    internal const string DefaultName = "model.safetensors", PyTorchName = "pytorch_model.bin", OnnxName = "model.onnx";

    readonly Dictionary<string, ITensorSource> shards;
    readonly OrderedDictionary<string, TensorEntry> tensors = [];
    readonly Dictionary<string, ITensorSource> owners = [];

    ShardedCheckpoint(string folder, Dictionary<string, ITensorSource> shards) => (Folder, this.shards) = (folder, shards);

    /// <summary>The folder, as it was given to <see cref="Open"/>.</summary>
    public string Folder { get; }

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, TensorEntry> Tensors => tensors;

    /// <summary>Opens the single file of a folder, or else all shards of its index. With an index, tensors that it does not list are left out.</summary>
    /// <param name="folder">The model folder.</param>
    /// <param name="fileName">
    /// Name of the single file; the index has the same name and <c>.index.json</c>. If null, the first that is there of <c>model.safetensors</c>,
    /// its index, <c>pytorch_model.bin</c>, its index, and <c>model.onnx</c>.
    /// </param>
    /// <exception cref="CheckpointException">
    /// No such file is there, the index is damaged or names a file outside the folder, or a shard is missing, damaged or lacks a tensor of the index.
    /// </exception>
    public static ShardedCheckpoint Open(string folder, string? fileName = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        FolderSave.Recover(folder);
        string[] names = fileName is null ? [DefaultName, PyTorchName, OnnxName] : [fileName];
        string[] candidates = [.. names.SelectMany(name => name == OnnxName ? [name] : new[] { name, name + ShardIndex.Suffix })];
        string found = candidates.FirstOrDefault(name => Path.Exists(Path.Combine(folder, name)))
            ?? throw new CheckpointException(folder, $"holds neither {string.Join(" nor ", candidates)}. Is it the model's folder?");
        var checkpoint = new ShardedCheckpoint(folder, []);
        try
        {
            if (names.Contains(found)) checkpoint.AddAll(checkpoint.Shard(found));
            else checkpoint.AddListed(Path.Combine(folder, found), ShardIndex.Read(Path.Combine(folder, found)));
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

    void AddAll(ITensorSource file)
    {
        // What else an ONNX graph holds are shapes and indices of its own.
        foreach (string name in file is OnnxFile onnx ? onnx.Parameters : file.Tensors.Keys) Add(file.Tensors[name], file);
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

    void Add(TensorEntry entry, ITensorSource file)
    {
        tensors.Add(entry.Name, entry);
        owners.Add(entry.Name, file);
    }

    ITensorSource Shard(string fileName)
    {
        if (!shards.TryGetValue(fileName, out var shard)) shards[fileName] = shard = WeightFile.Open(Path.Combine(Folder, fileName));
        return shard;
    }

    ITensorSource Owner(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return owners.TryGetValue(name, out var file) ? file : throw SafetensorsFile.TensorNotFound(Folder, name, tensors.Keys);
    }
}
