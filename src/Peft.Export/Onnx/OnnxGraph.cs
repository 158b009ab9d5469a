using Google.Protobuf;
using Onnx;
using DataType = Onnx.TensorProto.Types.DataType;

namespace Peft.Export.Onnx;

/// <summary>An ONNX graph while it is built: each operation is a node, whose output is known by its name.</summary>
/// <param name="number">Type of weights and hidden states: float or float16.</param>
internal sealed class OnnxGraph(DataType number)
{
    /// <summary>The version of the operators.</summary>
    public const int Opset = 17;

    private readonly GraphProto graph = new() { Name = "peft" };
    private readonly HashSet<string> initializers = new(StringComparer.Ordinal);
    private int count;

    /// <summary>Adds an operation.</summary>
    /// <returns>Name of its output.</returns>
    public string Add(string operation, ReadOnlySpan<string> inputs, params ReadOnlySpan<(string Name, object Value)> attributes) => Add(operation, inputs, $"t{count++}", attributes);

    /// <summary>Adds an operation with one of several outputs by name.</summary>
    public string[] Split(string input, int axis, params long[] sizes)
    {
        string[] outputs = [.. sizes.Select(_ => $"t{count++}")];
        var node = Node("Split", [input, Constant(sizes)], ("axis", (long)axis));
        node.Output.AddRange(outputs);
        return outputs;
    }

    /// <summary>A list of integers.</summary>
    public string Constant(params long[] values) => Constant($"i64_{string.Join("_", values)}", values);

    /// <summary>An integer.</summary>
    public string Scalar(long value) => Constant($"i64s_{value}", () => Tensor(DataType.Int64, [], BitConverter.GetBytes(value)));

    /// <summary>A number of the type of hidden states.</summary>
    public string Scalar(double value)
        => number == DataType.Float ? Single(value) : Constant($"f16s_{BitConverter.HalfToInt16Bits((Half)value):x4}", () => Tensor(number, [], BitConverter.GetBytes((Half)value)));

    /// <summary>A number in float32, for what is computed in it in any type.</summary>
    public string Single(double value) => Constant($"f32s_{BitConverter.SingleToInt32Bits((float)value):x8}", () => Tensor(DataType.Float, [], BitConverter.GetBytes((float)value)));

    /// <summary>Converts values.</summary>
    public string Cast(string values, DataType type) => Add("Cast", [values], ("to", (long)type));

    /// <summary>Hidden states in float32.</summary>
    public string ToSingle(string values) => number == DataType.Float ? values : Cast(values, DataType.Float);

    /// <summary>Values in float32 as hidden states.</summary>
    public string FromSingle(string values) => number == DataType.Float ? values : Cast(values, number);

    /// <summary>The length of a dimension, a scalar.</summary>
    public string Size(string values, long dimension) => Add("Squeeze", [Add("Shape", [values], ("start", dimension), ("end", dimension + 1)), Constant(0)]);

    /// <summary>A scalar as a vector of one value.</summary>
    public string Vector(string scalar) => Add("Unsqueeze", [scalar, Constant(0)]);

    /// <summary>Integers under a name.</summary>
    public string Constant(string name, long[] values) => Constant(name, () => Tensor(DataType.Int64, [values.Length], System.Runtime.InteropServices.MemoryMarshal.AsBytes(values.AsSpan())));

    /// <summary>Numbers in float32 in a shape.</summary>
    public string Constant(string name, float[] values, params long[] shape) => Constant(name, () => Tensor(DataType.Float, shape, System.Runtime.InteropServices.MemoryMarshal.AsBytes(values.AsSpan())));

    /// <summary>A weight. It is made once, and is asked for again by its name.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="isInput">True if another value may be given as an input.</param>
    /// <param name="make">Makes it.</param>
    public string Weight(string name, bool isInput, Func<TensorProto> make)
    {
        if (isInput && !initializers.Contains(name))
        {
            var values = make();
            graph.Input.Add(Value(name, number, [.. values.Dims.Select(size => (object)size)]));
            return Constant(name, () => values);
        }
        return Constant(name, make);
    }

    /// <summary>An input of hidden states.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="shape">A number, or the name of a size, for each dimension.</param>
    public string Input(string name, params object[] shape) => Input(name, number, shape);

    /// <summary>An input of integers.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="shape">A number, or the name of a size, for each dimension.</param>
    public string Integers(string name, params object[] shape) => Input(name, DataType.Int64, shape);

    /// <summary>An input that may be left out: an initializer without values stands in for it.</summary>
    public string OptionalInput(string name, object[] shape, long[] empty)
    {
        if (initializers.Add(name))
        {
            graph.Input.Add(Value(name, number, shape));
            var nothing = Tensor(number, empty, []);
            nothing.Name = name;
            graph.Initializer.Add(nothing);
        }
        return name;
    }

    /// <summary>Makes a result an output.</summary>
    public void Output(string result, string name, params object[] shape)
    {
        Add("Identity", [result], name, []);
        graph.Output.Add(Value(name, number, shape));
    }

    /// <summary>The model of the graph.</summary>
    public ModelProto ToModel()
    {
        var model = new ModelProto { IrVersion = 8, ProducerName = "Peft", Graph = graph };
        model.OpsetImport.Add(new OperatorSetIdProto { Domain = "", Version = Opset });
        return model;
    }

    /// <summary>A tensor with its bytes.</summary>
    public static TensorProto Tensor(DataType type, IEnumerable<long> shape, ReadOnlySpan<byte> bytes)
    {
        var tensor = new TensorProto { DataType = (int)type, RawData = ByteString.CopyFrom(bytes) };
        tensor.Dims.AddRange(shape);
        return tensor;
    }

    private string Input(string name, DataType type, object[] shape)
    {
        graph.Input.Add(Value(name, type, shape));
        return name;
    }

    private string Add(string operation, ReadOnlySpan<string> inputs, string output, ReadOnlySpan<(string Name, object Value)> attributes)
    {
        Node(operation, inputs, attributes).Output.Add(output);
        return output;
    }

    private NodeProto Node(string operation, ReadOnlySpan<string> inputs, params ReadOnlySpan<(string Name, object Value)> attributes)
    {
        var node = new NodeProto { OpType = operation, Name = $"{operation}_{graph.Node.Count}" };
        foreach (var input in inputs) node.Input.Add(input);
        foreach (var (name, value) in attributes)
        {
            var attribute = new AttributeProto { Name = name };
            switch (value)
            {
                case long number: (attribute.Type, attribute.I) = (AttributeProto.Types.AttributeType.Int, number); break;
                case float number: (attribute.Type, attribute.F) = (AttributeProto.Types.AttributeType.Float, number); break;
                case long[] numbers:
                    attribute.Type = AttributeProto.Types.AttributeType.Ints;
                    attribute.Ints.AddRange(numbers);
                    break;
                default: throw new ArgumentException($"Attributes of {value.GetType().Name} are not written.", nameof(attributes));
            }
            node.Attribute.Add(attribute);
        }
        graph.Node.Add(node);
        return node;
    }

    private string Constant(string name, Func<TensorProto> make)
    {
        if (initializers.Add(name))
        {
            var tensor = make();
            tensor.Name = name;
            graph.Initializer.Add(tensor);
        }
        return name;
    }

    private static ValueInfoProto Value(string name, DataType type, object[] shape)
    {
        var dimensions = new TensorShapeProto();
        foreach (var size in shape)
            dimensions.Dim.Add(size is string symbol ? new TensorShapeProto.Types.Dimension { DimParam = symbol } : new TensorShapeProto.Types.Dimension { DimValue = Convert.ToInt64(size, System.Globalization.CultureInfo.InvariantCulture) });
        return new() { Name = name, Type = new() { TensorType = new() { ElemType = (int)type, Shape = dimensions } } };
    }
}
