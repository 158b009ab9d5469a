using static TorchSharp.torch;

namespace Peft.Core.Tests;

/// <summary>The comparison that the tests of every package rely on.</summary>
public sealed class TensorComparisonTests
{
    [Fact]
    public void The_largest_difference_is_found_in_either_direction()
    {
        using var scope = NewDisposeScope();
        var (a, b) = (tensor(new float[] { 1, 2, -4 }), tensor(new float[] { 1, 4, -4 }));
        a.Difference(b).ShouldBe(2);
        b.Difference(a).ShouldBe(2);
        a.RelativeDifference(b).ShouldBe(0.5);
        a.to(float64).Difference(a).ShouldBe(0);
    }

    [Fact]
    public void Tensors_that_cannot_be_compared_never_pass_as_near()
    {
        using var scope = NewDisposeScope();
        var numbers = ones(3);
        Should.Throw<ShouldAssertException>(() => full(3, float.NaN).Difference(numbers));
        Should.Throw<ShouldAssertException>(() => full(3, float.PositiveInfinity).Difference(full(3, float.PositiveInfinity)));
        Should.Throw<ShouldAssertException>(() => ones(1).Difference(numbers));
    }
}
