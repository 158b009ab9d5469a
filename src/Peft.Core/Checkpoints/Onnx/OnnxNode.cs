namespace Peft.Checkpoints;

/// <summary>A node of an ONNX graph (<c>NodeProto</c>), reduced to what identifies the names of weights.</summary>
/// <param name="Operation">Operator type, such as <c>MatMul</c>.</param>
/// <param name="Inputs">Names of its first three inputs.</param>
/// <param name="Output">Name of its first output.</param>
/// <param name="TransposesB">True if a <c>Gemm</c> transposes its second operand.</param>
internal sealed record OnnxNode(string Operation, IReadOnlyList<string> Inputs, string Output, bool TransposesB)
{
    private const int MaxTextBytes = 4096, MaxInputs = 3;

    /// <summary>Reads a node; null if its operator is irrelevant for weights.</summary>
    public static OnnxNode? Read(ProtoReader reader)
    {
        var (operation, output, inputs, transposed) = ("", "", new List<string>(), false);
        while (reader.Next())
        {
            switch (reader.Field)
            {
                case 1 when inputs.Count < MaxInputs: inputs.Add(reader.Text(MaxTextBytes)); break;
                case 2 when output.Length == 0: output = reader.Text(MaxTextBytes); break;
                case 4: operation = reader.Text(MaxTextBytes); break;
                case 5: transposed |= IsTransposition(reader.Message()); break;
            }
        }
        return operation is "MatMul" or "Gemm" or "Add" or "Identity" ? new(operation, inputs, output, transposed) : null;
    }

    private static bool IsTransposition(ProtoReader attribute)
    {
        var (name, value) = ("", 0L);
        while (attribute.Next())
        {
            if (attribute.Field == 1) name = attribute.Text(MaxTextBytes);
            if (attribute.Field == 3) value = attribute.Int64();
        }
        return name == "transB" && value != 0;
    }
}
