using static TorchSharp.torch;

namespace Peft.Checkpoints;

/// <summary>
/// The weights of a model folder as a single set of tensors: from a single <c>model.safetensors</c>, from the shards that
/// <c>model.safetensors.index.json</c> lists, as saved by Hugging Face's transformers, from a <c>pytorch_model.bin</c> in PyTorch's older format, or from the
/// parameters of a <c>model.onnx</c>.
/// </summary>
public sealed class ShardedCheckpoint : ITensorSource
{
    internal const string DefaultName = "model.safetensors", PyTorchName = "pytorch_model.bin", OnnxName = "model.onnx";

    private readonly Dictionary<string, ITensorSource> shards;
    private readonly OrderedDictionary<string, TensorEntry> tensors = [];
    private readonly Dictionary<string, ITensorSource> owners = [];

    private ShardedCheckpoint(string folder, Dictionary<string, ITensorSource> shards) => (Folder, this.shards) = (folder, shards);

    /// <summary>Path of the folder, as it was passed to <see cref="Open"/>.</summary>
    public string Folder { get; }

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, TensorEntry> Tensors => tensors;

    /// <summary>Opens the single file of a folder, or else all shards of its index. With an index, tensors that it does not list are ignored.</summary>
    /// <param name="folder">The model folder.</param>
    /// <param name="fileName">
    /// Name of the single file; the name of the index is this name with <c>.index.json</c> appended. If null, the first that exists of <c>model.safetensors</c>,
    /// its index, <c>pytorch_model.bin</c>, its index, and <c>model.onnx</c>.
    /// </param>
    /// <exception cref="CheckpointException">
    /// There is no such file, the index is damaged or names a file outside the folder, or a shard is missing, damaged or lacks a tensor of the index.
    /// </exception>
    public static ShardedCheckpoint Open(string folder, string? fileName = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        FolderSave.Recover(folder);
        string[] names = fileName is null ? [DefaultName, PyTorchName, OnnxName] : [fileName];
        string[] candidates = [.. names.SelectMany(name => name == OnnxName ? [name] : new[] { name, name + ShardIndex.Suffix })];
        string found = candidates.FirstOrDefault(name => Path.Exists(Path.Combine(folder, name)))
            ?? throw new CheckpointException(folder, $"contains neither {string.Join(" nor ", candidates)}. Is it the model's folder?");
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
    public Tensor ReadBytes(string name, Device? device = null) => Owner(name).ReadBytes(name, device);

    /// <inheritdoc/>
    public void CopyInto(string name, Tensor destination) => Owner(name).CopyInto(name, destination);

    /// <summary>Closes all files. Tensors that were read stay valid.</summary>
    public void Dispose()
    {
        foreach (var shard in shards.Values) shard.Dispose();
    }

    private void AddAll(ITensorSource file)
    {
        // An ONNX graph also contains shapes and indices that are not parameters.
        foreach (string name in file is OnnxFile onnx ? onnx.Parameters : file.Tensors.Keys) Add(file.Tensors[name], file);
    }

    private void AddListed(string index, IReadOnlyDictionary<string, string> weightMap)
    {
        foreach (var (name, fileName) in weightMap)
        {
            var file = Shard(fileName);
            if (!file.Tensors.TryGetValue(name, out var entry))
                throw new CheckpointException(index, $"says that tensor '{name}' is in {fileName}, which does not contain it. Files of different saves are mixed.");
            Add(entry, file);
        }
    }

    private void Add(TensorEntry entry, ITensorSource file)
    {
        tensors.Add(entry.Name, entry);
        owners.Add(entry.Name, file);
    }

    private ITensorSource Shard(string fileName)
    {
        if (!shards.TryGetValue(fileName, out var shard)) shards[fileName] = shard = WeightFile.Open(Path.Combine(Folder, fileName));
        return shard;
    }

    private ITensorSource Owner(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return owners.TryGetValue(name, out var file) ? file : throw SafetensorsFile.TensorNotFound(Folder, name, tensors.Keys);
    }
}
