namespace Peft.Export.Onnx;

/// <summary>Activations as operations of a graph.</summary>
internal static class OnnxActivation
{
    public static string Apply(OnnxGraph graph, string name, string x) => name switch
    {
        "silu" or "swish" => graph.Add("Mul", [x, graph.Add("Sigmoid", [x])]),
        "relu" => graph.Add("Relu", [x]),
        "relu2" => Square(graph, graph.Add("Relu", [x])),
        "relu6" => graph.Add("Clip", [x, graph.Scalar(0.0), graph.Scalar(6.0)]),
        "leaky_relu" => graph.Add("LeakyRelu", [x], ("alpha", 0.01f)),
        "tanh" => graph.Add("Tanh", [x]),
        "sigmoid" => graph.Add("Sigmoid", [x]),
        "linear" => x,
        "mish" => graph.Add("Mul", [x, graph.Add("Tanh", [graph.Add("Softplus", [x])])]),
        "hardswish" => graph.Add("HardSwish", [x]),
        "sqrtsoftplus" => graph.Add("Sqrt", [graph.Add("Softplus", [x])]),
        "laplace" => graph.Add("Mul", [OnePlus(graph, graph.Add("Erf", [graph.Add("Div", [graph.Add("Sub", [x, graph.Scalar(0.707107)]), graph.Scalar(0.282095 * Math.Sqrt(2))])])), graph.Scalar(0.5)]),
        "quick_gelu" => graph.Add("Mul", [x, graph.Add("Sigmoid", [graph.Add("Mul", [x, graph.Scalar(1.702)])])]),
        "gelu" or "gelu_python" => Gelu(graph, x, Error(graph, x)),
        "gelu_10" => graph.Add("Clip", [Gelu(graph, x, Error(graph, x)), graph.Scalar(-10.0), graph.Scalar(10.0)]),
        "gelu_new" or "gelu_pytorch_tanh" or "gelu_python_tanh" or "gelu_accurate" or "gelu_fast" => Gelu(graph, x, graph.Add("Tanh", [Inner(graph, x)])),
        _ => throw new ExportException($"The activation '{name}' cannot be exported to ONNX."),
    };

    private static string Error(OnnxGraph graph, string x) => graph.Add("Erf", [graph.Add("Mul", [x, graph.Scalar(Math.Sqrt(0.5))])]);

    private static string Square(OnnxGraph graph, string x) => graph.Add("Mul", [x, x]);

    private static string OnePlus(OnnxGraph graph, string x) => graph.Add("Add", [x, graph.Scalar(1.0)]);

    // ½·x·(1 + f)
    private static string Gelu(OnnxGraph graph, string x, string function) => graph.Add("Mul", [graph.Add("Mul", [x, graph.Scalar(0.5)]), OnePlus(graph, function)]);

    // √(2/π)·(x + 0.044715·x³)
    private static string Inner(OnnxGraph graph, string x)
    {
        var cube = graph.Add("Mul", [graph.Add("Mul", [x, x]), x]);
        return graph.Add("Mul", [graph.Add("Add", [x, graph.Add("Mul", [cube, graph.Scalar(0.044715)])]), graph.Scalar(Math.Sqrt(2 / Math.PI))]);
    }
}
