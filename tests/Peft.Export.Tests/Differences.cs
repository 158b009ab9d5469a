using static TorchSharp.torch;

namespace Peft.Export.Tests;

internal static class Differences
{
    /// <summary>The largest difference of two tables.</summary>
    public static double Difference(this float[][] one, float[][] other) => one.Zip(other, (a, b) => a.Zip(b, (x, y) => Math.Abs((double)x - y)).Max()).Max();

    /// <summary>The largest difference at real tokens.</summary>
    public static double Largest(this Tensor actual, Tensor expected, Tensor mask)
    {
        using var scope = NewDisposeScope();
        actual.shape.ShouldBe(expected.shape);
        var difference = actual.sub(expected).abs();
        // What padding gives is nobody's.
        if (actual.dim() >= 2 && actual.shape[1] == mask.shape[1]) difference = difference.mul(actual.dim() == 3 ? mask.unsqueeze(-1) : mask);
        return difference.max().item<float>();
    }

    /// <summary>Fails unless the values at real tokens are those of float32.</summary>
    public static void ShouldBeNear(this Tensor actual, Tensor expected, Tensor mask) => actual.Largest(expected, mask).ShouldBeLessThan(2e-4);
}
