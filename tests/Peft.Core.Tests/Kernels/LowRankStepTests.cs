using Peft.Kernels;
using static TorchSharp.torch;

namespace Peft.Core.Tests.Kernels;

public class LowRankStepTests
{
    [Fact]
    public void Many_rows_get_their_updates_in_parts()
    {
        using var scope = NewDisposeScope();
        using var inference = inference_mode();
        using var generator = new Generator(2);
        Tensor input = randn([75, 1, 24], generator: generator), before = randn([75, 1, 40], generator: generator), a = randn([8, 24], generator: generator), b = randn([40, 8], generator: generator);
        var update = input.to(ScalarType.Float64).matmul(a.to(ScalarType.Float64).t()).matmul(b.to(ScalarType.Float64).t()).mul(0.5);
        foreach (var rows in new long[]?[] { null, [.. Enumerable.Range(0, 70).Select(row => row + 3L)] })
        {
            var output = before.clone();
            LowRankStep.Add(output, input, a, b, 0.5, rows);
            for (var row = 0; row < 75; row++)
            {
                var expected = rows is null || rows.Contains(row) ? before[row].to(ScalarType.Float64).add(update[row]) : before[row].to(ScalarType.Float64);
                output[row].to(ScalarType.Float64).Difference(expected).ShouldBeLessThan(1e-4);   // float32 sums of 24 products
            }
        }
    }

    [Theory]
    [InlineData(24, 40, 8)]
    [InlineData(7, 5, 3)]
    [InlineData(33, 16, 17)]
    public void Rows_of_a_decode_step_get_the_update_that_is_theirs(int inputs, int outputs, int rank)
    {
        using var scope = NewDisposeScope();
        using var inference = inference_mode();
        using var generator = new Generator(1);
        var (input, before) = (randn([5, 1, inputs], generator: generator), randn([5, 1, outputs], generator: generator));
        var (a, b) = (randn([rank, inputs], generator: generator), randn([outputs, rank], generator: generator));
        LowRankStep.Supports(input, a, b).ShouldBeTrue();
        foreach (var rows in new long[]?[] { null, [1, 4], [2], [] })
        {
            var output = before.clone();
            LowRankStep.Add(output, input, a, b, 0.5, rows);
            var update = input.to(ScalarType.Float64).matmul(a.to(ScalarType.Float64).t()).matmul(b.to(ScalarType.Float64).t()).mul(0.5);
            for (var row = 0; row < 5; row++)
            {
                var expected = rows is null || rows.Contains(row) ? before[row].to(ScalarType.Float64).add(update[row]) : before[row].to(ScalarType.Float64);
                output[row].to(ScalarType.Float64).sub(expected).abs().max().item<double>().ShouldBeLessThan(1e-4);
            }
        }
    }
}
