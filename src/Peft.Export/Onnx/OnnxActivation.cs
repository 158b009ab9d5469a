namespace Peft.Export.Onnx;

/// <summary>Activations as operations of a graph.</summary>
internal static class OnnxActivation
{
    private static readonly HashSet<string> TanhGelu = ["gelu_new", "gelu_pytorch_tanh", "gelu_python_tanh", "gelu_accurate", "gelu_fast"];

    public static bool IsKnown(string name) => name is "silu" or "swish" or "relu" or "tanh" or "sigmoid" or "gelu" or "gelu_python" or "quick_gelu" or "linear" || TanhGelu.Contains(name);

    public static string Apply(OnnxGraph graph, string name, string x) => name switch
    {
        "silu" or "swish" => graph.Add("Mul", [x, graph.Add("Sigmoid", [x])]),
        "relu" => graph.Add("Relu", [x]),
        "tanh" => graph.Add("Tanh", [x]),
        "sigmoid" => graph.Add("Sigmoid", [x]),
        "linear" => x,
        "quick_gelu" => graph.Add("Mul", [x, graph.Add("Sigmoid", [graph.Add("Mul", [x, graph.Scalar(1.702)])])]),
        _ when TanhGelu.Contains(name) => Gelu(graph, x, graph.Add("Tanh", [Inner(graph, x)])),
        _ => Gelu(graph, x, graph.Add("Erf", [graph.Add("Mul", [x, graph.Scalar(Math.Sqrt(0.5))])])),
    };

    // ½·x·(1 + f)
    private static string Gelu(OnnxGraph graph, string x, string function) => graph.Add("Mul", [graph.Add("Mul", [x, graph.Scalar(0.5)]), graph.Add("Add", [function, graph.Scalar(1.0)])]);

    // √(2/π)·(x + 0.044715·x³)
    private static string Inner(OnnxGraph graph, string x)
    {
        var cube = graph.Add("Mul", [graph.Add("Mul", [x, x]), x]);
        return graph.Add("Mul", [graph.Add("Add", [x, graph.Add("Mul", [cube, graph.Scalar(0.044715)])]), graph.Scalar(Math.Sqrt(2 / Math.PI))]);
    }
}
