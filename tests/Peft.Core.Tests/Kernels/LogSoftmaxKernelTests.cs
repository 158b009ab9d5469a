using Peft.Kernels;
using static TorchSharp.torch;

namespace Peft.Core.Tests.Kernels;

public class LogSoftmaxKernelTests
{
    [Theory]
    [InlineData(1, 1), InlineData(1, 7), InlineData(3, 8), InlineData(2, 15), InlineData(5, 16), InlineData(4, 77), InlineData(1, 257), InlineData(3, 4096), InlineData(2, 50257)]
    public void Values_and_derivatives_are_those_of_float64(int rows, int size)
    {
        using var scope = NewDisposeScope();
        manual_seed(size);
        var (logits, targets) = (randn(rows, size).mul(4), randint(0, size, [rows], dtype: ScalarType.Int64));
        var before = logits.data<float>().ToArray();

        LogSoftmaxKernel.Supports(logits, targets).ShouldBeTrue();
        var values = LogSoftmaxKernel.Differentiate(logits, targets).data<float>().ToArray();

        var slopes = logits.data<float>().ToArray();
        for (var row = 0; row < rows; row++)
        {
            var z = before.Skip(row * size).Take(size).Select(value => (double)value).ToArray();
            var (highest, target) = (z.Max(), (int)targets[row].item<long>());
            var sum = z.Sum(value => Math.Exp(value - highest));
            ((double)values[row]).ShouldBe(z[target] - highest - Math.Log(sum), 1e-6 + 6e-8 * (highest - z[target]));
            for (var i = 0; i < size; i++)
            {
                var p = Math.Exp(z[i] - highest) / sum;
                // The rounded difference from the highest score is in the exponent; then a few roundings of p, and one of 1 − p at the target.
                ((double)slopes[row * size + i]).ShouldBe((i == target ? 1 : 0) - p, (1e-6 + 6e-8 * (highest - z[i])) * p + (i == target ? 1e-7 : 0));
            }
        }
    }

    [Fact]
    public void Large_scores_do_not_overflow_and_excluded_tokens_have_probability_zero()
    {
        using var scope = NewDisposeScope();
        foreach (var size in new[] { 5, 21 })
        {
            var logits = full([2, size], float.NegativeInfinity);
            (logits[0, 1], logits[0, size - 1]) = (3e38f, 3e38f);
            logits[1] = full(size, -200f);
            logits[1, 0] = 0;

            var values = LogSoftmaxKernel.Differentiate(logits, tensor(new long[] { 1, size - 1 }));

            values[0].item<float>().ShouldBe(-MathF.Log(2), 1e-7f);
            values[1].item<float>().ShouldBe(-200);
            var expected = zeros(2, size);
            (expected[0, 1], expected[0, size - 1]) = (0.5f, -0.5f);
            (expected[1, 0], expected[1, size - 1]) = (-1, 1);
            logits.data<float>().ToArray().ShouldBe(expected.data<float>().ToArray());
        }
    }

    // The first row stays as it is, since rows are independent.
    [Theory, InlineData(float.NaN), InlineData(float.PositiveInfinity)]
    public void A_row_with_a_score_that_is_not_finite_is_NaN_as_in_torch(float wrong)
    {
        using var scope = NewDisposeScope();
        for (var i = 0; i < 37; i++)
        {
            var logits = zeros(2, 37);
            logits[1, i] = wrong;
            var torchs = logits.log_softmax(-1);

            var values = LogSoftmaxKernel.Differentiate(logits, tensor(new long[] { 0, 36 }));

            torchs[1].isnan().all().item<bool>().ShouldBeTrue();
            values[0].item<float>().ShouldBe(-MathF.Log(37), 1e-6f);
            values[1].item<float>().ShouldBe(float.NaN);
            logits[1].isnan().all().item<bool>().ShouldBeTrue();
            logits[0].isnan().any().item<bool>().ShouldBeFalse();
        }
    }

    [Fact]
    public void A_row_of_excluded_tokens_only_is_NaN_as_in_torch()
    {
        using var scope = NewDisposeScope();
        var logits = full([1, 20], float.NegativeInfinity);
        logits.log_softmax(-1).isnan().all().item<bool>().ShouldBeTrue();

        LogSoftmaxKernel.Differentiate(logits, tensor(new long[] { 3 })).item<float>().ShouldBe(float.NaN);

        logits.isnan().all().item<bool>().ShouldBeTrue();
    }

    [Fact]
    public void Equal_runs_give_equal_bits_with_any_number_of_threads()
    {
        using var scope = NewDisposeScope();
        manual_seed(0);
        var (logits, targets) = (randn(9, 333), randint(0, 333, [9], dtype: ScalarType.Int64));
        var (one, two) = (logits.clone(), logits.clone());
        var threads = get_num_threads();

        var values = LogSoftmaxKernel.Differentiate(one, targets);
        set_num_threads(1);
        var again = LogSoftmaxKernel.Differentiate(two, targets);
        set_num_threads(threads);

        again.data<float>().ToArray().ShouldBe(values.data<float>().ToArray());
        two.data<float>().ToArray().ShouldBe(one.data<float>().ToArray());
    }

    [Fact]
    public void Other_rows_and_targets_are_left_to_torch()
    {
        using var scope = NewDisposeScope();
        var (rows, targets) = (randn(2, 10), zeros(2, ScalarType.Int64));

        LogSoftmaxKernel.Supports(rows.to_type(ScalarType.Float64), targets).ShouldBeFalse();
        LogSoftmaxKernel.Supports(randn(10, 2).t(), targets).ShouldBeFalse();
        LogSoftmaxKernel.Supports(rows, targets.to_type(ScalarType.Int32)).ShouldBeFalse();
        foreach (var outside in new[] { Batch.IgnoredLabel, -1, 10 }) LogSoftmaxKernel.Supports(rows, tensor(new long[] { 0, outside })).ShouldBeFalse();
    }
}
