namespace Peft.Checkpoints;

/// <summary>An element type of ONNX (<c>TensorProto.DataType</c>).</summary>
/// <param name="Format">The corresponding safetensors type. Its scalar type is null if TorchSharp has none.</param>
/// <param name="DataField">Number of the <c>TensorProto</c> field that contains such elements if <c>raw_data</c> does not.</param>
internal sealed record OnnxType(SafetensorsType Format, int DataField)
{
    public const int FloatData = 4, Int32Data = 5, Int64Data = 7, DoubleData = 10, UInt64Data = 11;

    private static readonly Dictionary<long, OnnxType> All = new()
    {
        [1] = Known("F32", FloatData), [2] = Known("U8", Int32Data), [3] = Known("I8", Int32Data), [4] = Known("U16", Int32Data),
        [5] = Known("I16", Int32Data), [6] = Known("I32", Int32Data), [7] = Known("I64", Int64Data), [8] = Unreadable("STRING"),
        [9] = Known("BOOL", Int32Data), [10] = Known("F16", Int32Data), [11] = Known("F64", DoubleData), [12] = Known("U32", UInt64Data),
        [13] = Known("U64", UInt64Data), [14] = Known("C64", FloatData), [15] = Unreadable("C128"), [16] = Known("BF16", Int32Data),
        [17] = Known("F8_E4M3", Int32Data), [18] = Known("F8_E4M3FNUZ", Int32Data), [19] = Known("F8_E5M2", Int32Data), [20] = Known("F8_E5M2FNUZ", Int32Data),
        [21] = Unreadable("U4"), [22] = Unreadable("I4"), [23] = Known("F4", Int32Data), [24] = Known("F8_E8M0", Int32Data), [25] = Unreadable("U2"), [26] = Unreadable("I2"),
    };

    /// <summary>Finds the type with a number from a file; null if there is none.</summary>
    public static OnnxType? Of(long number) => All.GetValueOrDefault(number);

    private static OnnxType Known(string name, int field) => new(SafetensorsType.Named(name)!, field);

    private static OnnxType Unreadable(string name) => new(new SafetensorsType(-1, name, 8, null), Int32Data);
}
