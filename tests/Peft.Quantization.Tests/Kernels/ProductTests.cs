using System.Diagnostics;
using static TorchSharp.torch;

namespace Peft.Quantization.Tests.Kernels;

/// <summary>Products with quantized matrices, against products in float64 with the dequantized values.</summary>
public class ProductTests
{
    public static TheoryData<string> Kinds => [.. Matrices.All];

    private static IEnumerable<(long Rows, long Columns)> Sizes(string kind)
        => Matrices.TakesAnySize(kind) ? [(1, 1), (3, 7), (5, 33), (37, 61), (17, 300), (6, 1029), (300, 512), (516, 768)] : [(32, 256), (64, 1280), (288, 1024), (32, 2304)];

    [Theory, MemberData(nameof(Kinds))]
    public void Products_of_all_vector_widths(string kind)
    {
        foreach (var (rows, columns) in Sizes(kind))
        {
            using var scope = NewDisposeScope();
            using var matrix = Matrices.Of(kind, rows, columns, columns);
            foreach (var count in new[] { 1, 2, 3, 4, 7, 17 })
            {
                manual_seed(count);
                var x = randn(count, columns);
                foreach (var (bits, multiply) in Widths.Products) ShouldBeProduct(multiply(matrix, x), x, matrix.Dequantize(), $"{kind} [{rows}, {columns}], {count} rows, {bits} bits");
            }
        }
    }

    [Theory, MemberData(nameof(Kinds))]
    public void Products_in_decoding_and_in_training_on_one_thread_and_two(string kind)
    {
        var before = get_num_threads();
        try
        {
            foreach (var threads in new[] { 1, 2 })
                foreach (var (rows, columns) in Matrices.TakesAnySize(kind) ? Sizes(kind) : [(288, 256), (320, 1024)])
                    foreach (var decoding in new[] { true, false })
                        foreach (var count in new[] { 1, 7, 97 })
                        {
                            set_num_threads(threads);
                            using var scope = NewDisposeScope();
                            using var _ = inference_mode(decoding);
                            using var matrix = Matrices.Of(kind, rows, columns, count);
                            manual_seed(count);
                            var (x, y) = (randn(count, columns), randn(count, rows));
                            var about = $"{kind} [{rows}, {columns}], {count} rows, {threads} threads, {(decoding ? "decoding" : "training")}";
                            ShouldBeProduct(matrix.Multiply(x), x, matrix.Dequantize(), about);
                            ShouldBeProduct(matrix.MultiplyTransposed(y), y, matrix.Dequantize().t(), about);
                        }
        }
        finally
        {
            set_num_threads(before);
        }
    }

    [Theory, InlineData("nf4 64"), InlineData("int8"), InlineData("Q4_K"), InlineData("gptq 4")]
    public void Inputs_of_any_shape_strides_and_dtype(string kind)
    {
        using var scope = NewDisposeScope();
        using var matrix = Matrices.Of(kind, 288, 256);
        foreach (var decoding in new[] { true, false })
        {
            using var _ = inference_mode(decoding);
            manual_seed(5);
            foreach (var x in new[] { randn(256), randn(2, 3, 256), randn(256, 4).t(), randn(6, 512).narrow(1, 3, 256), randn(2, 256, 3).transpose(1, 2), randn(1, 256).expand(5, 256), randn(0, 256), randn(3, 0, 256) })
            {
                var y = matrix.Multiply(x);
                y.shape.ShouldBe([.. x.shape[..^1], 288]);
                ShouldBeProduct(y.reshape(y.numel() / 288, 288), x.reshape(x.numel() / 256, 256), matrix.Dequantize(), $"{kind} with {x}");
            }
            foreach (var (type, last) in new[] { (ScalarType.Float64, 1e-6), (ScalarType.BFloat16, 8e-3), (ScalarType.Float16, 1e-3) })
            {
                var x = randn(4, 256).to_type(type);
                var y = matrix.Multiply(x);
                y.dtype.ShouldBe(type);
                // A unit in the last place of the weights and of the result.
                y.RelativeDifference(x.to_type(ScalarType.Float64).matmul(matrix.Dequantize().to_type(ScalarType.Float64).t())).ShouldBeLessThan(last);
                matrix.MultiplyTransposed(y).dtype.ShouldBe(type);
            }
        }
    }

    [Fact]
    public void Gradients_reach_inputs_and_biases_through_views()
    {
        using var scope = NewDisposeScope();
        manual_seed(7);
        using var linear = new Modules.Linear(96, 300);
        using (no_grad()) linear.Weight.copy_(randn(300, 96));
        linear.Store(new QuantizedStorage(QuantizationOptions.Nf4().Quantize(linear.Weight)));
        using (no_grad()) linear.Bias!.copy_(randn(300));
        var values = linear.Storage.Read();
        var x = randn(2, 9, 96, requires_grad: true);
        linear.call(x).square().sum().backward();
        var again = x.detach().requires_grad_();
        nn.functional.linear(again, values, linear.Bias!.detach()).square().sum().backward();
        x.grad!.RelativeDifference(again.grad!).ShouldBeLessThan(1e-5);
        linear.Bias.grad.ShouldNotBeNull();
    }

    [Fact]
    public void Wrong_inputs_are_refused()
    {
        using var scope = NewDisposeScope();
        var matrix = Matrices.Of("nf4 64", 64, 32);
        foreach (var multiply in new Func<Tensor, Tensor>[] { matrix.Multiply, matrix.MultiplyTransposed })
        {
            Should.Throw<ArgumentNullException>(() => multiply(null!));
            Should.Throw<ArgumentException>(() => multiply(randn(3, 33))).Message.ShouldContain("last dimension");
            Should.Throw<ArgumentException>(() => multiply(tensor(1f)));
            Should.Throw<ArgumentException>(() => multiply(ones(2, 32, ScalarType.Int64)));
            Should.Throw<ArgumentException>(() => multiply(ones(2, 64, ScalarType.Int64)));
            var gone = randn(2, 32);
            gone.Dispose();
            Should.Throw<ObjectDisposedException>(() => multiply(gone));
        }
        matrix.Dispose();
        Should.Throw<ObjectDisposedException>(() => matrix.Multiply(randn(1, 32)));
        Should.Throw<ObjectDisposedException>(() => matrix.MultiplyTransposed(randn(1, 64)));
        Should.Throw<ObjectDisposedException>(() => matrix.Dequantize());
    }

    [Fact]
    public void Results_of_two_threads_at_once_are_those_of_one_and_memory_stays_flat()
    {
        using var scope = NewDisposeScope();
        using var matrix = Matrices.Of("nf4 64 double", 768, 768);
        manual_seed(9);
        var (one, many) = (randn(1, 768), randn(64, 768));
        (Tensor, Tensor) Products()
        {
            using var inner = NewDisposeScope();
            using var deeper = NewDisposeScope();
            using var _ = inference_mode();
            var (few, all) = (matrix.Multiply(one), matrix.MultiplyTransposed(many));
            return (few.MoveToOuterDisposeScope().MoveToOuterDisposeScope(), all.MoveToOuterDisposeScope().MoveToOuterDisposeScope());
        }
        var (expected, expectedMany) = Products();
        void Repeat(int times)
        {
            for (var i = 0; i < times; i++)
            {
                using var own = NewDisposeScope();
                var (few, all) = Products();
                few.Difference(expected).ShouldBe(0);
                all.Difference(expectedMany).ShouldBeLessThan(1e-4);
            }
        }
        Parallel.For(0, 2, _ => Repeat(50));
        var before = Unmanaged();
        Parallel.For(0, 2, _ => Repeat(200));
        // A leak of the smaller results alone would take 1.2 MB, one of the panels 300 MB.
        (Unmanaged() - before).ShouldBeLessThan(60L << 20);

        // .NET lets its heap grow to the size of the L3 cache before it collects.
        static long Unmanaged()
        {
            GC.Collect();
            return Process.GetCurrentProcess().WorkingSet64 - GC.GetGCMemoryInfo().TotalCommittedBytes;
        }
    }

    // A sum of n products in float32, in any order, is off by at most n units in the last place of the sum of their magnitudes.
    private static void ShouldBeProduct(Tensor actual, Tensor x, Tensor values, string about)
    {
        using var scope = NewDisposeScope();
        var (left, right) = (x.to_type(ScalarType.Float64), values.to_type(ScalarType.Float64).t());
        var (expected, magnitude) = (left.matmul(right), left.abs().matmul(right.abs()));
        var bound = magnitude.mul((x.shape[^1] + 2) * Math.Pow(2, -24));
        actual.shape.ShouldBe(expected.shape, about);
        actual.to_type(ScalarType.Float64).sub(expected).abs().le(bound).all().item<bool>().ShouldBeTrue(about);
    }
}
