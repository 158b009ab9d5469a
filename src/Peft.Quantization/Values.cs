using static TorchSharp.torch;

namespace Peft.Quantization;

/// <summary>Operations that the kinds share.</summary>
internal static class Values
{
    /// <summary>A tensor in a dtype; the given one is disposed if it is converted.</summary>
    public static Tensor As(Tensor values, ScalarType type)
    {
        if (values.dtype == type) return values;
        using (values) return values.to_type(type);
    }

    /// <summary>A tensor that outlives dispose scopes, contiguous.</summary>
    public static Tensor Keep(this Tensor values) => (values.is_contiguous() ? values : values.contiguous()).DetachFromDisposeScope();

    /// <summary>Throws if values are not a matrix of finite floating-point numbers.</summary>
    public static void Require(Tensor values)
    {
        TensorRules.RequireAlive(values, nameof(values));
        if (values.dim() != 2 || values.numel() == 0 || !values.is_floating_point())
            throw new ArgumentException($"The values are {TensorRules.Describe(values)}, but must be a matrix of floating-point numbers.", nameof(values));
        if (!IsFinite(values)) throw new QuantizationException($"The values [{string.Join(", ", values.shape)}] are not all finite, so that they have no quantized form.");
    }

    /// <summary>True if a tensor holds no NaN and no infinity.</summary>
    public static bool IsFinite(Tensor values)
    {
        using var scope = NewDisposeScope();
        if (values.dim() == 2 && !values.is_contiguous()) values = values.t();   // a transposed matrix would be copied
        return values.numel() == 0 || (values.aminmax() is var (least, most) && least.isfinite().item<bool>() && most.isfinite().item<bool>());
    }

    /// <summary>Throws if a tensor of a checkpoint has another dtype or shape than its format says, or values that are not finite.</summary>
    public static Tensor Expect(Tensor? tensor, string name, ScalarType type, params ReadOnlySpan<long> shape)
    {
        if (tensor is null) throw new QuantizationException($"There is no {name}, which the format of the quantized weights needs: the file is damaged or of a newer format.");
        if (tensor.dtype != type || !tensor.shape.AsSpan().SequenceEqual(shape))
            throw new QuantizationException($"{name} is {TensorRules.Describe(tensor)}, but must be {type} [{string.Join(", ", shape.ToArray())}].");
        if (tensor.is_floating_point() && !IsFinite(tensor)) throw new QuantizationException($"{name} holds values that are not finite.");
        return tensor;
    }

    /// <summary>The group of each of <paramref name="count"/> elements in groups of one size.</summary>
    public static Tensor Groups(long count, long size, Device device) => Indices(Enumerable.Range(0, checked((int)count)).Select(each => each / size), device);

    /// <summary>Integers as a tensor.</summary>
    public static Tensor Indices(IEnumerable<long> numbers, Device device) => tensor(numbers.ToArray(), device: device);
}
