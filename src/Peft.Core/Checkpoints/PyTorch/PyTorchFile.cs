using static TorchSharp.torch;

namespace Peft.Checkpoints;

/// <summary>
/// An open file in PyTorch's format (<c>pytorch_model.bin</c>, <c>adapter_model.bin</c>): a dictionary of tensors written by <c>torch.save</c>
/// of any version. Opening reads the descriptions of the tensors; each tensor is later read directly into its own memory.
/// </summary>
/// <remarks>
/// The format is a program for Python's unpickler, which can run arbitrary code. This reader runs no code: it supports only the few instructions
/// and names that a dictionary of tensors needs, and rejects a file with any other. Entries of the dictionary that are not tensors are skipped.
/// </remarks>
public sealed class PyTorchFile : ITensorSource
{
    private readonly TensorFile file;
    private readonly OrderedDictionary<string, TensorEntry> tensors = [];

    private PyTorchFile(TensorFile file)
    {
        this.file = file;
        var start = file.Start();
        var (value, locate) = PyTorchArchive.Is(start) ? PyTorchArchive.Read(file)
            : PyTorchLegacy.Is(start) ? PyTorchLegacy.Read(file)
            : throw (ForeignFile.Recognise(start) is { } other ? new CheckpointException(file.Path, other) : Invalid("it is neither a zip archive nor in torch.save's older format"));
        var dict = value as PickleDict ?? throw Invalid("it contains no dictionary of tensors: save the model's state_dict()");
        foreach (var (key, item) in dict.Items)
        {
            if (item is not PyTorchTensor tensor) continue;
            string name = key as string ?? throw Invalid("the key of a tensor is not a string");
            if (!tensors.TryAdd(name, tensor.Entry(name, locate(tensor.Storage), Invalid))) throw Invalid($"tensor '{name}' is listed twice");
        }
        if (tensors.Count == 0 && dict.Items.Count > 0)
            throw Invalid($"its dictionary contains no tensors, but {string.Join(", ", dict.Items.Take(5).Select(item => $"'{item.Key as string}'"))}: save only the model's state_dict()");
    }

    /// <summary>Path of the file, as it was passed to <see cref="Open"/>.</summary>
    public string Path => file.Path;

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, TensorEntry> Tensors => tensors;

    /// <summary>Opens a file and reads the descriptions of its tensors.</summary>
    /// <exception cref="CheckpointException">The file is missing, of another format, damaged, or contains more than a dictionary of tensors.</exception>
    /// <exception cref="NativeLibraryException">TorchSharp's native libraries cannot be loaded.</exception>
    public static PyTorchFile Open(string path) => TensorFile.Open(path, "PyTorch", file => new PyTorchFile(file));

    /// <inheritdoc/>
    public Tensor Read(string name, Device? device = null, ScalarType? dtype = null) => file.Read(Find(name), device, dtype);

    /// <inheritdoc/>
    public Tensor ReadBytes(string name, Device? device = null) => file.ReadBytes(Find(name), device);

    /// <inheritdoc/>
    public void CopyInto(string name, Tensor destination) => file.CopyInto(Find(name), destination);

    /// <summary>Closes the file. Tensors that were read stay valid.</summary>
    public void Dispose() => file.Dispose();

    internal static CheckpointException Invalid(string path, string problem) => new(path, $"not a PyTorch file of weights: {problem}.");

    private CheckpointException Invalid(string problem) => Invalid(Path, problem);

    private TensorEntry Find(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return tensors.TryGetValue(name, out var entry) ? entry : throw SafetensorsFile.TensorNotFound(Path, name, tensors.Keys);
    }
}
