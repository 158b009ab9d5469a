namespace Peft.Export.Onnx;

/// <summary>Modules whose adapters are inputs of a graph.</summary>
internal sealed class OnnxInputs(IReadOnlyList<AdapterLayer> layers)
{
    private readonly HashSet<string> whole = [.. layers.Where(layer => layer is FullLayer).Select(layer => layer.Target.Path)];
    private readonly HashSet<string> updated = [.. layers.Where(layer => layer is not FullLayer).Select(layer => layer.Target.Path)];

    /// <summary>True if the module has low-rank factors.</summary>
    public bool Updates(string path) => updated.Contains(path);

    /// <summary>True if the weights of the module are inputs.</summary>
    public bool Replaces(string path) => whole.Contains(path);
}
