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
    public void Attention_is_that_of_float64(int size, int shared, int? window, bool causal) => Attends(size, shared, window, causal, [1, 7, 8, 9, 15, 16, 17, 127, 128, 129, 213]);

    // Divided into pieces on several threads, or because of their window.
    [Theory, InlineData(16, 1, null, true), InlineData(16, 1, null, false), InlineData(8, 1, 30, true), InlineData(8, 4, 300, true), InlineData(8, 2, 1000, true)]
    public void Long_sequences_too(int size, int shared, int? window, bool causal) => Attends(size, shared, window, causal, [515, 1300]);

    private static void Attends(int size, int shared, int? window, bool causal, int[] lengths)
    {
        foreach (var length in lengths)
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

    // The maximum of a query is that of the keys so far.
    [Theory, InlineData("growing", null), InlineData("growing", 100), InlineData("falling", null), InlineData("jumping", null), InlineData("jumping", 40), InlineData("very low", null), InlineData("very high", 20)]
    public void Maxima_that_change_from_key_to_key_change_nothing(string kind, int? window)
    {
        const int Length = 413, Size = 16;
        using var scope = NewDisposeScope();
        using var generator = new Generator(7);
        Tensor[] inputs = [.. new[] { Heads, 2, 2 }.Select(count => randn([2, Length, count, Size], generator: generator).mul(0.3f))];
        // The first component alone decides: the score is a function of the key's position.
        inputs[0].select(-1, 0).fill_(32);
        inputs[1].fill_(0).select(-1, 0).copy_(tensor([.. Enumerable.Range(0, Length).Select(i => kind switch
        {
            "growing" => i * 0.125f,   // higher ones have fewer binary places
            "falling" => -i * 0.125f,
            "jumping" => i % 100 == 70 ? i * 0.5f : -i % 7,
            "very low" => -1e30f,
            _ => 1e30f,
        })]).div(8).view(1, Length, 1).expand(2, Length, 2));
        foreach (var input in inputs) input.requires_grad_();
        var weights = randn([2, Length, Heads * Size], generator: generator);
        var shape = new AttentionShape(Heads, 2, Size, 0, (float)(1 / Math.Sqrt(Size)), window, Causal: true);
        var actual = FusedAttention.Run(inputs[0], inputs[1], inputs[2], new FusedAttention([0, 1, 2], 2, Length, shape, null, null, null, null, null));
        Tensor[] exact = [.. inputs.Select(input => input.detach().to(ScalarType.Float64).requires_grad_())];
        var expected = Expected(exact, ones([Length, 1, Size], float64), zeros([Length, 1, Size], float64), window, causal: true);

        Close(actual, expected, kind);
        var gradients = autograd.grad([actual], inputs, [weights]);
        var exactGradients = autograd.grad([expected], exact, [weights.to(ScalarType.Float64)]);
        Close(gradients[2], exactGradients[2], "gradient of v");
        if (kind.StartsWith("very", StringComparison.Ordinal)) return;
        Close(gradients[0], exactGradients[0], "gradient of q", terms: 0.1 * inputs[1].Largest());   // slopes times keys, which cancel
        Close(gradients[1], exactGradients[1], "gradient of k");
    }

    [Fact]
    public void A_key_that_is_not_a_number_makes_the_queries_that_see_it_so()
    {
        const int Length = 150, At = 70;
        using var scope = NewDisposeScope();
        using var generator = new Generator(8);
        Tensor[] inputs = [.. new[] { Heads, 1, 1 }.Select(count => randn([1, Length, count, 8], generator: generator))];
        inputs[1].select(1, At).fill_(float.NaN);
        var output = FusedAttention.Run(inputs[0], inputs[1], inputs[2], new FusedAttention([0, 1, 2], 1, Length, new AttentionShape(Heads, 1, 8, 0, 0.3f, null), null, null, null, null, null));
        output.narrow(1, 0, At).isfinite().all().item<bool>().ShouldBeTrue();
        output.narrow(1, At, Length - At).isnan().all().item<bool>().ShouldBeTrue();
    }

    // Blocks that begin in the middle of a tile, and keys that end there.
    [Theory, InlineData(null, 69, 62), InlineData(100, 69, 62), InlineData(20, 69, 62), InlineData(null, 530, 777), InlineData(null, 6, 1000), InlineData(400, 530, 777), InlineData(20, 1000, 600)]
    public void A_sequence_that_continues_another_is_that_of_both(int? window, int first, int second)
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(3);
        var shape = new AttentionShape(Heads, 2, 16, 0, 0.25f, window);
        var length = first + second;
        Tensor[] whole = [.. new[] { Heads, 2, 2 }.Select(count => randn([1, length, count, 16], generator: generator).requires_grad_())];
        var weights = randn([1, length, Heads * 16], generator: generator);

        var alone = FusedAttention.Run(whole[0], whole[1], whole[2], new FusedAttention([0, 1, 2], 1, length, shape, null, null, null, null, null));
        var packed = FusedAttention.Run(whole[0], whole[1], whole[2], new FusedAttention([0, 1, 2], 1, length, shape, [first, second], [-1, 0], null, null, null));

        Close(packed, alone.detach().to(ScalarType.Float64), "output");
        foreach (var (one, other) in autograd.grad([packed], whole, [weights]).Zip(autograd.grad([alone], whole, [weights]))) Close(one, other.to(ScalarType.Float64), "gradient");
    }

    // Rows of the prefix are not its positions, and have other angles.
    [Theory, InlineData(null, 69, 62), InlineData(null, 530, 777), InlineData(20, 530, 777), InlineData(400, 1000, 600)]
    public void Angles_of_each_row_serve_a_sequence_that_continues_another(int? window, int first, int second)
    {
        const int Before = 5;   // rows of a sequence of its own
        using var scope = NewDisposeScope();
        using var generator = new Generator(5);
        var shape = new AttentionShape(Heads, 2, 16, 16, 0.25f, window);
        var length = first + second;
        Tensor[] whole = [.. new[] { Heads, 2, 2 }.Select(count => randn([1, Before + length, count, 16], generator: generator).requires_grad_())];
        Tensor[] rest = [.. whole.Select(each => each.narrow(1, Before, length))];
        var weights = randn([1, length, Heads * 16], generator: generator);
        var angles = randn([1, Before + length, 1, 8], generator: generator);
        var (cosine, sine) = (cat([angles.cos(), angles.cos()], -1), cat([angles.sin().neg(), angles.sin()], -1));

        var packed = FusedAttention.Run(whole[0], whole[1], whole[2], new FusedAttention([0, 1, 2], 1, Before + length, shape, [Before, first, second], [-1, -1, 1], null, cosine, sine)).narrow(1, Before, length);
        var alone = FusedAttention.Run(rest[0], rest[1], rest[2], new FusedAttention([0, 1, 2], 1, length, shape, null, null, null, cosine[0].narrow(0, Before, length), sine[0].narrow(0, Before, length)));

        Close(packed, alone.detach().to(ScalarType.Float64), "output");
        foreach (var (one, other) in autograd.grad([packed], whole, [weights]).Zip(autograd.grad([alone], whole, [weights]))) Close(one, other.to(ScalarType.Float64), "gradient");
    }

    [Theory, InlineData(2, 131, 77), InlineData(1, 900, 511), InlineData(1, 900, 13)]
    public void Padding_is_no_key(int shared, int length, int tokens)
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(4);
        var shape = new AttentionShape(Heads, shared, 16, 0, 0.25f, null, Causal: false);
        Tensor[] padded = [.. new[] { Heads, shared, shared }.Select(count => randn([1, length, count, 16], generator: generator).requires_grad_())];
        Tensor[] real = [.. padded.Select(each => each.detach().narrow(1, 0, tokens).contiguous().requires_grad_())];
        var weights = randn([1, tokens, Heads * 16], generator: generator);

        var output = FusedAttention.Run(padded[0], padded[1], padded[2], new FusedAttention([0, 1, 2], 1, length, shape, null, null, [tokens], null, null)).narrow(1, 0, tokens);
        var expected = FusedAttention.Run(real[0], real[1], real[2], new FusedAttention([0, 1, 2], 1, tokens, shape, null, null, null, null, null));

        Close(output, expected.detach().to(ScalarType.Float64), "output");
        foreach (var (one, other) in autograd.grad([output], padded, [weights]).Zip(autograd.grad([expected], real, [weights]))) Close(one.narrow(1, 0, tokens), other.to(ScalarType.Float64), "gradient");
    }

    // Keys and values before the positions of each row, the same for all rows or not, which are not rotated. Rows may be padded, and have angles of their own.
    [Theory, InlineData(8, 3, false, false, true), InlineData(16, 20, true, false, true), InlineData(64, 70, false, true, true), InlineData(16, 5, true, true, false), InlineData(8, 1, false, false, false)]
    public void A_prefix_is_attended_to_and_gets_gradients(int size, int prefix, bool perRow, bool ownAngles, bool causal)
    {
        foreach (var length in new[] { 1, 7, 60, 131 })
        {
            using var scope = NewDisposeScope();
            using var generator = new Generator((ulong)length);
            Tensor[] inputs = [.. new[] { Heads, 2, 2 }.Select(count => randn([3, length, count, size], generator: generator).requires_grad_()),
                .. new[] { 1, 2 }.Select(_ => randn([perRow ? 3 : 1, 2, prefix, size], generator: generator).requires_grad_())];
            int[] real = [prefix + length, prefix + Math.Max(1, length / 2), prefix + Math.Max(1, length - 1)];
            var counted = stack([.. real.Select(each => arange(length).lt(each - prefix))]).view(3, length, 1);
            var weights = randn([3, length, Heads * size], generator: generator) * counted;
            var angles = randn(ownAngles ? [3, length, 1, size / 2] : [length, 1, size / 2], generator: generator).to(ScalarType.Float64);
            var (cosine, sine) = (cat([angles.cos(), angles.cos()], -1), cat([angles.sin().neg(), angles.sin()], -1));
            var shape = new AttentionShape(Heads, 2, size, size, (float)(1 / Math.Sqrt(size)), null, causal);

            var before = AttentionPrefix.Of(inputs[3].expand(3, -1, -1, -1), inputs[4].expand(3, -1, -1, -1));
            before.IsPerRow.ShouldBe(perRow);
            var actual = FusedAttention.Run(inputs[0], inputs[1], inputs[2], new FusedAttention([0, 1, 2], 3, length, shape, null, null, real, cosine.to(ScalarType.Float32), sine.to(ScalarType.Float32), 0, before));
            Tensor[] exact = [.. inputs.Select(input => input.detach().to(ScalarType.Float64).requires_grad_())];
            Tensor Turned(Tensor each) => (each * cosine + each.roll(size / 2, -1) * sine).transpose(1, 2);
            Tensor All(Tensor first, Tensor rest) => cat([first.expand(3, -1, -1, -1), rest], 2).repeat_interleave(Heads / 2, 1);
            var scores = Turned(exact[0]).matmul(All(exact[3], Turned(exact[1])).transpose(2, 3)) * (1 / Math.Sqrt(size));
            var hidden = stack([.. real.Select(each => arange(prefix + length).ge(each))]).view(3, 1, 1, -1);
            if (causal) hidden = hidden.logical_or(arange(prefix + length).view(1, 1, 1, -1).gt(arange(prefix, prefix + length).view(1, 1, -1, 1)));
            var expected = scores.masked_fill(hidden, double.NegativeInfinity).softmax(-1).matmul(All(exact[4], exact[2].transpose(1, 2))).transpose(1, 2).reshape(3, length, Heads * size);

            var what = $"size {size}, length {length}";
            Close(actual * counted, expected * counted, what);
            var gradients = autograd.grad([actual], inputs, [weights]);
            var exactGradients = autograd.grad([expected], exact, [weights.to(ScalarType.Float64)]);
            foreach (var ((gradient, other), name) in gradients.Zip(exactGradients).Zip(["q", "k", "v", "prefix of k", "prefix of v"])) Close(gradient, other, $"{what}, gradient of {name}");
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
    // The largest of the terms that are summed, if larger than their sum, determines the rounding.
    private static void Close(Tensor actual, Tensor expected, string what, double terms = 0.1)
        => actual.Difference(expected).ShouldBeLessThan(2e-6 * Math.Max(terms, expected.Largest()), what);
}
