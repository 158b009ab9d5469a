using static TorchSharp.torch;
using DataType = Onnx.TensorProto.Types.DataType;

namespace Peft.Export.Onnx;

/// <summary>Tensors in the dtype of an export.</summary>
internal static class OnnxValues
{
    /// <summary>The dtype of an export.</summary>
    /// <exception cref="ArgumentOutOfRangeException">ONNX Runtime does not compute in it.</exception>
    public static ScalarType Dtype(ExportOptions? options) => options?.Dtype switch
    {
        null => ScalarType.Float32,
        ScalarType.Float32 or ScalarType.Float16 => options.Dtype,
        { } other => throw new ArgumentOutOfRangeException(nameof(options), other, "ONNX graphs are written in float32 or float16."),
    };

    /// <summary>The type's name in ONNX.</summary>
    public static DataType TypeOf(ScalarType dtype) => dtype == ScalarType.Float16 ? DataType.Float16 : DataType.Float;

    /// <summary>Values on the CPU in a dtype, in the current scope.</summary>
    /// <exception cref="ExportException">A value is too large for the dtype.</exception>
    public static Tensor In(ScalarType dtype, Tensor values, string name)
    {
        var plain = values.detach().cpu().to_type(dtype).contiguous();
        return dtype == ScalarType.Float16 && plain.isinf().any().item<bool>() ? throw new ExportException($"{name} has values beyond ±65,504, the largest in float16: export it in float32. Nothing was written.") : plain;
    }
}
