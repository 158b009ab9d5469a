namespace Peft.Checkpoints;

/// <summary>
/// Restores the PyTorch names and orientation of the weights of an ONNX graph. Exporters keep the name of a parameter unless they
/// computed its value: a linear layer's matrix is stored transposed, <c>[in, out]</c>, and numbered. It is identified by the bias that is added to
/// its product, whose name was kept. Equal parameters are stored once; the others are Identity nodes of it.
/// </summary>
internal sealed class OnnxNames
{
    private readonly OrderedDictionary<string, OnnxTensor> initializers;
    private readonly OrderedDictionary<string, (OnnxTensor Tensor, bool Transposed)> found = [];
    private readonly HashSet<string> ambiguous = [];

    public OnnxNames(OnnxGraph graph)
    {
        initializers = new(graph.Initializers);
        foreach (var node in graph.Nodes)
        {
            if (node is { Operation: "Identity", Inputs: [var original] } && IsParameter(node.Output) && initializers.TryGetValue(original, out var tensor)) initializers.TryAdd(node.Output, tensor);
        }
        var products = new Dictionary<string, string>();
        foreach (var node in graph.Nodes)
        {
            if (node is { Operation: "MatMul", Inputs: [_, var matrix] }) products[node.Output] = matrix;
            if (node is { Operation: "Gemm", Inputs: [_, var factor, var bias] }) Claim(factor, bias, transposed: !node.TransposesB);
        }
        foreach (var node in graph.Nodes)
        {
            if (node is not { Operation: "Add", Inputs: [var left, var right] }) continue;
            if (products.TryGetValue(left, out string? matrix)) Claim(matrix, right, transposed: true);
            if (products.TryGetValue(right, out matrix)) Claim(matrix, left, transposed: true);
        }
        foreach (string name in ambiguous) found.Remove(name);
    }

    /// <summary>
    /// True if a name is a parameter's path in its module, false if an exporter generated it: <c>927</c>, <c>onnx::MatMul_927</c>,
    /// <c>/layer.0/Constant_output_0</c>.
    /// </summary>
    public static bool IsParameter(string name) => name.Contains('.') && name[0] != '/' && !name.Contains("::", StringComparison.Ordinal);

    /// <summary>Enumerates all tensors by name, in the order of the file. Renamed tensors have only their new names.</summary>
    public IEnumerable<(string Name, OnnxTensor Tensor, bool Transposed)> All()
    {
        var named = found.ToLookup(pair => pair.Value.Tensor);
        foreach (var (name, tensor) in initializers)
        {
            if (IsParameter(name) || !named.Contains(tensor)) yield return (name, tensor, false);
            else foreach (var (given, (_, transposed)) in named[tensor]) yield return (given, tensor, transposed);
        }
    }

    private void Claim(string matrix, string bias, bool transposed)
    {
        if (IsParameter(matrix) || !initializers.TryGetValue(matrix, out var tensor) || tensor.Shape.Length != 2) return;
        if (!IsParameter(bias) || !bias.EndsWith(".bias", StringComparison.Ordinal) || !initializers.TryGetValue(bias, out var vector)) return;
        if (vector.Shape is not [var width] || width != tensor.Shape[transposed ? 1 : 0]) return;
        string name = bias[..^"bias".Length] + "weight";
        if (initializers.ContainsKey(name)) return;
        // If two matrices claim the same bias, neither is renamed.
        if (!found.TryAdd(name, (tensor, transposed)) && found[name] != (tensor, transposed)) ambiguous.Add(name);
    }
}
