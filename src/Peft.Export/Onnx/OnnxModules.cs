using Peft.Models;
using Peft.Modules;
using static TorchSharp.torch;

namespace Peft.Export.Onnx;

/// <summary>A model's modules as operations of a graph. Projections and embeddings that adapters may enter add x·A·B, whose factors are inputs that may be left out.</summary>
internal sealed class OnnxModules
{
    private readonly OnnxGraph graph;
    private readonly PretrainedModel model;
    private readonly OnnxInputs inputs;
    private readonly ScalarType dtype;
    private readonly Dictionary<string, AdaptableModule> modules;

    public OnnxModules(OnnxGraph graph, PretrainedModel model, OnnxInputs inputs, ScalarType dtype)
    {
        (this.graph, this.model, this.inputs, this.dtype) = (graph, model, inputs, dtype);
        modules = model.named_modules().Where(pair => pair.module is AdaptableModule).ToDictionary(pair => pair.name, pair => (AdaptableModule)pair.module, StringComparer.Ordinal);
    }

    /// <summary>True if the model has a module at a path.</summary>
    public bool Has(string path) => modules.ContainsKey(path);

    /// <summary>x·Wᵀ + b, with the adapter's x·A·B.</summary>
    public string Linear(string path, string input)
    {
        var module = modules[path];
        // An embedding that is trained fully on its own is no longer the head's weight.
        var product = model.TiedParameters.Contains(path + ".weight") && !inputs.Replaces(path) && !inputs.Replaces(EmbeddingPath)
            ? graph.Add("MatMul", [input, graph.Add("Transpose", [Embedding()], ("perm", new long[] { 1, 0 }))])
            : graph.Add("MatMul", [input, Matrix(path, module.Storage, module is not TransposedLinear)]);
        if (inputs.Updates(path)) product = graph.Add("Add", [product, graph.Add("MatMul", [graph.Add("MatMul", [input, FactorA(path)]), FactorB(path)])]);
        return module.Bias is { } bias ? graph.Add("Add", [product, Vector(path, "bias", bias, 0)]) : product;
    }

    /// <summary>The rows of an embedding.</summary>
    public string Lookup(string path, string ids)
    {
        var rows = graph.Add("Gather", [Matrix(path, modules[path].Storage, false), ids]);
        return inputs.Updates(path) ? graph.Add("Add", [rows, graph.Add("MatMul", [graph.Add("Gather", [FactorA(path), ids]), FactorB(path)])]) : rows;
    }

    /// <summary>A norm over the last dimension.</summary>
    public string Norm(string path, string input)
    {
        var (module, spec) = (modules[path], model.Spec);
        if (module is not RmsNorm)
            return graph.Add("LayerNormalization", module.Bias is { } bias ? [input, Vector(path, "weight", module.Weight, 0), Vector(path, "bias", bias, 0)] : [input, Vector(path, "weight", module.Weight, 0)],
                ("axis", -1L), ("epsilon", (float)spec.NormEpsilon));
        // As in the model, in float32 in any type.
        var wide = graph.ToSingle(input);
        var square = graph.Add("ReduceMean", [graph.Add("Mul", [wide, wide])], ("axes", new long[] { -1 }), ("keepdims", 1L));
        var root = graph.Add("Sqrt", [graph.Add("Add", [square, graph.Single(spec.NormEpsilon)])]);
        return graph.Add("Mul", [graph.FromSingle(graph.Add("Div", [wide, root])), Vector(path, "weight", module.Weight, spec.NormOffset)]);
    }

    private string EmbeddingPath => model.BasePrefix + model.Spec.Names.Embedding;

    private string Embedding() => Matrix(EmbeddingPath, modules[EmbeddingPath].Storage, false);

    private string FactorA(string path) => Factor(path, "lora_A", size => size.In, first: true);

    private string FactorB(string path) => Factor(path, "lora_B", size => size.Out, first: false);

    // A [in, rank] and B [rank, out]; without an adapter the rank is 0.
    private string Factor(string path, string name, Func<(long In, long Out), long> choose, bool first)
    {
        var module = modules[path];
        var shape = module.Storage.Shape;
        // An embedding's input are its rows.
        var swapped = module is Modules.Embedding or TransposedLinear;
        var size = choose(swapped ? (shape[0], shape[1]) : (shape[1], shape[0]));
        var rank = $"rank_{path}";
        return graph.OptionalInput($"{path}.{name}.weight", first ? [size, rank] : [rank, size], first ? [size, 0] : [0, size]);
    }

    private string Matrix(string path, WeightStorage storage, bool transposed) => graph.Weight(path + ".weight", inputs.Replaces(path), () =>
    {
        using var scope = NewDisposeScope();
        using var gradients = no_grad();
        var values = storage.Read();
        return Proto(path, transposed ? values.t() : values);
    });

    private string Vector(string path, string name, Tensor values, double offset) => graph.Weight($"{path}.{name}", inputs.Replaces(path), () =>
    {
        using var scope = NewDisposeScope();
        using var gradients = no_grad();
        return Proto(path, offset == 0 ? values : values.add(Constant(offset), One));
    });

    private global::Onnx.TensorProto Proto(string path, Tensor values)
    {
        var plain = OnnxValues.In(dtype, values, path);
        return OnnxGraph.Tensor(OnnxValues.TypeOf(dtype), plain.shape, plain.bytes);
    }
}
