using static TorchSharp.torch;

namespace Peft.Testing;

/// <summary>How far tensors are from each other, in float64.</summary>
public static class TensorComparison
{
    /// <summary>The largest difference between two tensors of one shape.</summary>
    public static double Difference(this Tensor actual, Tensor expected)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        actual.shape.ShouldBe(expected.shape);
        var difference = actual.to(ScalarType.Float64).sub(expected.to(ScalarType.Float64)).abs().max().item<double>();
        // Shouldly orders NaN below every number, so that it would pass as a small difference.
        double.IsNaN(difference).ShouldBeFalse("a tensor holds NaN, or both the same infinity");
        return difference;
    }

    /// <summary><see cref="Difference"/>, relative to the largest expected element.</summary>
    public static double RelativeDifference(this Tensor actual, Tensor expected) => actual.Difference(expected) / expected.Largest();

    /// <summary>The largest element by its absolute value.</summary>
    public static double Largest(this Tensor tensor)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        return tensor.to(ScalarType.Float64).abs().max().item<double>();
    }

    /// <summary>The elements of a tensor, row by row.</summary>
    public static T[] Values<T>(this Tensor tensor) where T : unmanaged
    {
        using var scope = NewDisposeScope();
        return tensor.detach().cpu().contiguous().data<T>().ToArray();
    }
}
