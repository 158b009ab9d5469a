namespace Peft.Checkpoints;

/// <summary>The weights of an ONNX model, and the operations that identify them. Neither elements nor constants of the graph are read.</summary>
internal sealed class OnnxGraph
{
    // The largest models have about ten thousand. A far larger number would be an attempt to exhaust memory.
    private const int MaxEntries = 250_000;

    private readonly List<OnnxNode> nodes = [];

    public OnnxGraph(ByteWindow bytes)
    {
        bool found = false;
        int visited = 0;
        for (var model = new ProtoReader(bytes); model.Next();)
        {
            if (model.Field != 7) continue;
            found = true;
            for (var graph = model.Message(); graph.Next();)
            {
                if (graph.Field is not (1 or 5)) continue;
                if (++visited > MaxEntries) throw bytes.Damaged($"more than {MaxEntries} nodes and initializers");
                if (graph.Field == 1 && OnnxNode.Read(graph.Message()) is { } node) nodes.Add(node);
                if (graph.Field == 5) Add(new(bytes, graph.Message()), bytes);
            }
        }
        if (!found) throw bytes.Damaged("no graph");
    }

    /// <summary>The initializers by name, in the order of the file.</summary>
    public OrderedDictionary<string, OnnxTensor> Initializers { get; } = [];

    public IReadOnlyList<OnnxNode> Nodes => nodes;

    private void Add(OnnxTensor tensor, ByteWindow bytes)
    {
        if (!Initializers.TryAdd(tensor.Name, tensor)) throw bytes.Damaged($"initializer '{tensor.Name}' twice");
    }
}
