using Peft.Kernels;
using static TorchSharp.torch;

namespace Peft.Core.Tests.Kernels;

/// <summary>Outputs and gradients of the attention kernel against the same formula in float64.</summary>
public class AttentionTests
{
    private const int Heads = 4;

    public static TheoryData<int, int, int?, bool> Cases { get; } = new()
    {
        { 8, 2, null, true }, { 8, 4, 16, true }, { 8, 1, 5, true }, { 8, 2, null, false },
        { 16, 2, null, true }, { 16, 1, 17, true }, { 24, 2, null, true }, { 24, 4, null, false }, { 32, 1, null, true }, { 32, 4, 1, true },
        { 64, 2, null, true }, { 64, 2, 40, true }, { 80, 4, null, true }, { 80, 2, 9, true }, { 128, 2, null, true }, { 128, 1, null, false },
        { 64, 2, 100, true }, { 16, 4, 70, true },
    };

    [Theory, MemberData(nameof(Cases))]
    public void Attention_is_that_of_float64(int size, int shared, int? window, bool causal)
    {
        foreach (var length in new[] { 1, 7, 8, 9, 15, 16, 17, 127, 128, 129, 213 })
        {
            using var scope = NewDisposeScope();
            using var generator = new Generator((ulong)length);
            Tensor[] inputs = [.. new[] { Heads, shared, shared }.Select(count => randn([2, length, count, size], generator: generator).requires_grad_())];
            var weights = randn([2, length, Heads * size], generator: generator);
            var angles = randn([length, 1, size / 2], generator: generator).to(ScalarType.Float64);
            var (cosine, sine) = (cat([angles.cos(), angles.cos()], -1), cat([angles.sin().neg(), angles.sin()], -1));
            var shape = new AttentionShape(Heads, shared, size, size, (float)(1 / Math.Sqrt(size)), window, causal);

            var actual = FusedAttention.Run(inputs[0], inputs[1], inputs[2], new FusedAttention([0, 1, 2], 2, length, shape, null, null, null, cosine.to(ScalarType.Float32), sine.to(ScalarType.Float32)));
            Tensor[] exact = [.. inputs.Select(input => input.detach().to(ScalarType.Float64).requires_grad_())];
            var expected = Expected(exact, cosine, sine, window, causal);

            var what = $"size {size}, length {length}";
            Close(actual, expected, what);
            var gradients = autograd.grad([actual], inputs, [weights]);
            var exactGradients = autograd.grad([expected], exact, [weights.to(ScalarType.Float64)]);
            foreach (var ((gradient, other), name) in gradients.Zip(exactGradients).Zip(["q", "k", "v"])) Close(gradient, other, $"{what}, gradient of {name}");
        }
    }

    private static Tensor Expected(Tensor[] inputs, Tensor cosine, Tensor sine, int? window, bool causal)
    {
        var (length, size) = (inputs[0].shape[1], inputs[0].shape[3]);
        Tensor Rotated(Tensor x) => x * cosine + x.roll(size / 2, -1) * sine;
        Tensor Wide(Tensor x) => x.transpose(1, 2).repeat_interleave(Heads / x.shape[2], 1);
        var distance = arange(length).unsqueeze(1) - arange(length).unsqueeze(0);
        var hidden = causal ? distance.lt(0) : zeros_like(distance).to(ScalarType.Bool);
        if (window is { } width) hidden = hidden.logical_or(distance.ge(width));
        var scores = Rotated(inputs[0]).transpose(1, 2).matmul(Wide(Rotated(inputs[1])).transpose(2, 3)) / Math.Sqrt(size);
        return scores.masked_fill(hidden, double.NegativeInfinity).softmax(-1).matmul(Wide(inputs[2])).transpose(1, 2).reshape(2, length, Heads * size);
    }

    // Relative to the largest value: some roundings of float32, in sums of up to 213 values. Without a single value to attend to but itself, the gradients of scores are zero.
    private static void Close(Tensor actual, Tensor expected, string what)
        => actual.Difference(expected).ShouldBeLessThan(2e-6 * Math.Max(0.1, expected.Largest()), what);
}
