using static TorchSharp.torch;

namespace Peft.Checkpoints;

/// <summary>
/// The weights of an ONNX model (https://onnx.ai): its initializers, in the file or in external data files next to it. Opening reads and checks their
/// descriptions; each tensor is later read directly into its own memory. The graph is not run.
/// </summary>
/// <remarks>
/// Parameters have the names and shapes of the exported PyTorch module. Exporters number the matrix of a linear layer and store it as
/// <c>[in, out]</c>. It is identified by the bias that the graph adds to its product, and read as <c>[out, in]</c> under the name of that bias with
/// the suffix <c>weight</c>. A matrix without a bias keeps the exporter's name and orientation.
/// </remarks>
public sealed class OnnxFile : ITensorSource
{
    private readonly TensorFile file;
    private readonly Dictionary<string, TensorFile> beside = [];
    private readonly OrderedDictionary<string, TensorEntry> tensors = [];
    private readonly Dictionary<string, OnnxTensor> origins = [];

    private OnnxFile(TensorFile file)
    {
        this.file = file;
        if (ForeignFile.Recognise(file.Start()) is { } other) throw new CheckpointException(Path, other);
        try
        {
            foreach (var (name, tensor, transposed) in new OnnxNames(new OnnxGraph(Window())).All()) Add(name, tensor, transposed);
        }
        catch
        {
            foreach (var each in beside.Values) each.Dispose();
            throw;
        }
    }

    /// <summary>Path of the file, as it was passed to <see cref="Open"/>.</summary>
    public string Path => file.Path;

    /// <inheritdoc/>
    /// <remarks>All initializers, including those that the exporter created: shapes, indices, scalars.</remarks>
    public IReadOnlyDictionary<string, TensorEntry> Tensors => tensors;

    /// <summary>
    /// Names of the tensors that are parameters of the exported module: floating-point tensors with a dotted path, such as
    /// <c>encoder.layer.0.output.dense.weight</c>.
    /// </summary>
    public IReadOnlyList<string> Parameters
        => [.. tensors.Values.Where(entry => OnnxNames.IsParameter(entry.Name) && entry.Type is ScalarType.Float32 or ScalarType.Float16 or ScalarType.BFloat16 or ScalarType.Float64).Select(entry => entry.Name)];

    /// <summary>Opens a model and reads the descriptions of its weights.</summary>
    /// <exception cref="CheckpointException">The file, or an external data file, is missing, of another format, damaged or inconsistent.</exception>
    /// <exception cref="NativeLibraryException">TorchSharp's native libraries cannot be loaded.</exception>
    public static OnnxFile Open(string path) => TensorFile.Open(path, "ONNX", file => new OnnxFile(file));

    /// <inheritdoc/>
    public Tensor Read(string name, Device? device = null, ScalarType? dtype = null)
    {
        var (entry, origin) = Find(name);
        if (origin.IsPlain) return Holder(origin).Read(entry, device, dtype);
        using var decoded = Decode(entry, origin);
        return decoded.to(dtype ?? decoded.dtype, device ?? CPU, copy: true);
    }

    /// <inheritdoc/>
    public Tensor ReadBytes(string name, Device? device = null)
    {
        var (entry, origin) = Find(name);
        return origin.IsPlain ? Holder(origin).ReadBytes(entry, device) : throw new CheckpointException(Path, $"tensor '{name}' is not stored contiguously.");
    }

    /// <inheritdoc/>
    public void CopyInto(string name, Tensor destination)
    {
        var (entry, origin) = Find(name);
        if (origin.IsPlain)
        {
            Holder(origin).CopyInto(entry, destination);
            return;
        }
        file.RequireShape(entry, destination);
        using var decoded = Decode(entry, origin);
        using var target = destination.detach();
        target.copy_(decoded).Dispose();
    }

    /// <summary>Closes the files. Tensors that were read stay valid.</summary>
    public void Dispose()
    {
        foreach (var each in beside.Values) each.Dispose();
        file.Dispose();
    }

    private void Add(string name, OnnxTensor tensor, bool transposed)
    {
        if (Holder(tensor) is var holder && tensor.IsPlain && tensor.ByteLength > 0 && tensor.Offset > holder.Length - tensor.ByteLength)
            throw new CheckpointException(holder.Path, $"has {holder.Length} bytes, but tensor '{name}' of {Path} takes {tensor.ByteLength} bytes from byte {tensor.Offset} on: the file is truncated, or belongs to another model.");
        var (shape, strides) = (tensor.Shape, (long[]?)null);
        if (transposed) (shape, strides) = ([shape[1], shape[0]], [1, shape[1]]);
        tensors.Add(name, new(name, tensor.Type.Format, shape, tensor.Offset, tensor.ByteLength) { Strides = strides, Spanned = strides is null ? 0 : shape[0] * shape[1] });
        origins.Add(name, tensor);
    }

    private TensorFile Holder(OnnxTensor tensor)
    {
        if (tensor.Location is not { } location) return file;
        if (!beside.TryGetValue(location, out var holder))
        {
            string folder = System.IO.Path.GetDirectoryName(System.IO.Path.GetFullPath(Path))!;
            beside[location] = holder = TensorFile.Open(System.IO.Path.Combine(folder, location), "external data", opened => opened);
        }
        return holder;
    }

    private Tensor Decode(TensorEntry entry, OnnxTensor origin)
    {
        using var scope = NewDisposeScope();
        var flat = empty(origin.ByteLength / (entry.Format.Bits / 8), entry.Type!.Value, CPU);
        origin.Decode(Window(), flat.bytes);
        return (entry.Strides is { } strides ? flat.as_strided(entry.Dimensions, strides, 0) : flat.view(entry.Dimensions)).MoveToOuterDisposeScope();
    }

    private ByteWindow Window() => new(file, problem => new CheckpointException(Path, $"not a valid ONNX model: it has {problem}."));

    private (TensorEntry Entry, OnnxTensor Origin) Find(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return tensors.TryGetValue(name, out var entry) ? (entry, origins[name]) : throw SafetensorsFile.TensorNotFound(Path, name, tensors.Keys);
    }
}
