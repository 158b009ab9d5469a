using System.Runtime.Intrinsics;
using Peft.Kernels;
using static TorchSharp.torch;

namespace Peft.Core.Tests.Kernels;

/// <summary>The kernels against the same formula in torch's operations: values and gradients.</summary>
public class KernelTests
{
    [Theory]
    [InlineData(2, 4, 2, 8, 8, 19, null)]
    [InlineData(1, 6, 6, 16, 4, 33, null)]
    [InlineData(3, 4, 1, 64, 64, 37, 5)]
    [InlineData(1, 2, 2, 8, 0, 1, null)]
    [InlineData(3, 4, 2, 8, 8, 37, null, true, 37, 1, 20)]
    [InlineData(2, 12, 12, 32, 0, 16, null, false)]
    [InlineData(3, 4, 2, 8, 0, 37, null, false, 37, 1, 20)]
    [InlineData(2, 2, 2, 16, 16, 18, null, false, 17, 16)]
    [InlineData(1, 2, 2, 8, 0, 1, null, false)]
    public void Attention(int batch, int heads, int keyValueHeads, int size, int rotated, int length, int? window, bool causal = true, params int[] real)
    {
        using var scope = NewDisposeScope();
        manual_seed(1);
        Tensor[] inputs = [.. new[] { heads, keyValueHeads, keyValueHeads }.Select(count => randn(batch, length, count, size).requires_grad_())];
        var angles = randn(length, rotated / 2);
        var cosine = cat([angles, angles], 1).cos().unsqueeze(1);
        var sine = cat([angles.sin().neg(), angles.sin()], 1).unsqueeze(1);
        var positions = arange(length);
        var hidden = causal ? positions.unsqueeze(0).gt(positions.unsqueeze(1)) : zeros(length, length, ScalarType.Bool);
        if (real.Length > 0) hidden = hidden.unsqueeze(0).logical_or(positions.ge(tensor(real).unsqueeze(1)).unsqueeze(1)).unsqueeze(1);   // [batch, 1, queries, keys]
        if (window is { } width) hidden = hidden.logical_or(positions.unsqueeze(0).le(positions.unsqueeze(1) - width));

        Tensor Turn(Tensor x)
        {
            if (rotated == 0) return x;
            var turning = x.narrow(-1, 0, rotated);
            return cat([turning * cosine + turning.roll(rotated / 2, -1) * sine, x.narrow(-1, rotated, size - rotated)], -1);
        }
        Tensor Expected()
        {
            Tensor Wide(Tensor x) => x.transpose(1, 2).repeat_interleave(heads / keyValueHeads, 1);
            var scores = Turn(inputs[0]).transpose(1, 2).matmul(Wide(Turn(inputs[1])).transpose(2, 3)) / Math.Sqrt(size);
            return scores.masked_fill(hidden, float.NegativeInfinity).softmax(-1).matmul(Wide(inputs[2])).transpose(1, 2).reshape(batch, length, heads * size);
        }
        var shape = new AttentionShape(heads, keyValueHeads, size, rotated, (float)(1 / Math.Sqrt(size)), window, causal);
        ShouldAgree(inputs, Expected, () => FusedAttentionOf(inputs[0], inputs[1], inputs[2], shape, null, null, real.Length > 0 ? real : null, rotated == 0 ? null : cosine, rotated == 0 ? null : sine));
    }

    // The smallest normal number as a weight would leave 1.2 of such values and gradients.
    [Theory, InlineData(null), InlineData(5)]
    public void A_hidden_key_has_no_weight(int? window)
    {
        using var scope = NewDisposeScope();
        manual_seed(6);
        const int length = 37, heads = 2, size = 16, key = 20;
        Tensor[] inputs = [.. Enumerable.Range(0, 3).Select(_ => randn(1, length, heads, size))];
        var shape = new AttentionShape(heads, heads, size, 0, 0.25f, window);
        Tensor Output(Tensor v) => FusedAttentionOf(inputs[0], inputs[1], v, shape, null, null, null, null, null);
        var large = inputs[2].clone();
        large.select(1, key).fill_(1e38f);
        var blind = arange(length).ge(window is { } width ? key + width : length).logical_or(arange(length).lt(key));
        Output(large)[0][blind].Values<float>().ShouldBe(Output(inputs[2])[0][blind].Values<float>());

        var learning = inputs[2].detach().requires_grad_();
        Output(learning).backward([blind.to_type(ScalarType.Float32).mul(1e38f).reshape(1, length, 1).expand(1, length, heads * size).contiguous()]);
        learning.grad!.select(1, key).Values<float>().ShouldAllBe(value => value == 0);
    }

    [Theory, InlineData(true, 2, 37), InlineData(false, 4, 20)]
    public void Dropout_of_attention_weights_is_the_same_in_both_passes(bool causal, int keyValueHeads, int length)
    {
        using var scope = NewDisposeScope();
        manual_seed(3);
        const int batch = 2, heads = 4, size = 40;   // at least as many dimensions as keys: values that are unit vectors show the weights
        Tensor[] inputs = [.. new[] { heads, keyValueHeads, keyValueHeads }.Select(count => randn(batch, length, count, size).requires_grad_())];
        var dropout = DropoutMask.Draw(0.25);
        var shape = new AttentionShape(heads, keyValueHeads, size, 0, 0.2f, null, causal, dropout);
        var unit = eye(length, size).reshape(1, length, 1, size).expand(batch, length, keyValueHeads, size);
        Tensor Weights(AttentionShape each) => FusedAttentionOf(inputs[0].detach(), inputs[1].detach(), unit, each, null, null, null, null, null).view(batch, length, heads, size).narrow(-1, 0, length).transpose(1, 2);   // [batch, heads, queries, keys]
        var (dropped, whole) = (Weights(shape), Weights(shape with { Dropout = null }));
        var kept = dropped.ne(0);
        var factor = kept.to_type(ScalarType.Float32) / 0.75;
        dropped.Difference(whole.mul(factor)).ShouldBeLessThan(1e-6);
        var seen = whole.ne(0).sum().item<long>();
        (kept.sum().item<long>() / (double)seen).ShouldBe(0.75, 4 * Math.Sqrt(0.25 * 0.75 / seen));
        Weights(shape with { Dropout = dropout with { Seed = dropout.Seed + 1 } }).ne(0).ne(kept).any().item<bool>().ShouldBeTrue();

        var hidden = causal ? arange(length).unsqueeze(0).gt(arange(length).unsqueeze(1)) : zeros(length, length, ScalarType.Bool);
        Tensor Expected()
        {
            Tensor Wide(Tensor x) => x.transpose(1, 2).repeat_interleave(heads / keyValueHeads, 1);
            var scores = inputs[0].transpose(1, 2).matmul(Wide(inputs[1]).transpose(2, 3)) * 0.2;
            return scores.masked_fill(hidden, float.NegativeInfinity).softmax(-1).mul(factor).matmul(Wide(inputs[2])).transpose(1, 2).reshape(batch, length, heads * size);
        }
        ShouldAgree(inputs, Expected, () => FusedAttentionOf(inputs[0], inputs[1], inputs[2], shape, null, null, null, null, null));
    }

    [Fact]
    public void Packed_sequences_do_not_see_each_other()
    {
        using var scope = NewDisposeScope();
        manual_seed(2);
        var (q, k, v) = (randn(1, 12, 2, 8), randn(1, 12, 2, 8), randn(1, 12, 2, 8));
        var shape = new AttentionShape(2, 2, 8, 0, 0.3f, null);
        Tensor Part(int start, int length) => FusedAttentionOf(q.narrow(1, start, length), k.narrow(1, start, length), v.narrow(1, start, length), shape, null, null, null, null, null);
        var packed = FusedAttentionOf(q, k, v, shape, [5, 7], null, null, null, null);
        packed.Difference(cat([Part(0, 5), Part(5, 7)], 1)).ShouldBe(0);
    }

    [Theory, InlineData(2, 2, 0, null, false), InlineData(4, 2, 8, null, false), InlineData(4, 1, 4, null, true), InlineData(2, 1, 8, 9, true)]
    public void Packed_sequences_continue_a_shared_one(int heads, int keyValueHeads, int rotated, int? window, bool ownAngles)
    {
        using var scope = NewDisposeScope();
        manual_seed(5);
        // Sequences of 20, 7, 3, 18 and 1 positions; the second, third and last continue the first.
        int[] lengths = [20, 7, 3, 18, 1], starts = [0, 20, 27, 30, 48], parents = [-1, 0, 0, -1, 0];
        Tensor[] inputs = [.. new[] { heads, keyValueHeads, keyValueHeads }.Select(count => randn(1, 49, count, 8).requires_grad_())];
        var shape = new AttentionShape(heads, keyValueHeads, 8, rotated, 0.3f, window);
        var angles = randn(49, rotated / 2);
        Tensor? Table(Tensor values) => rotated == 0 ? null : ownAngles ? values.unsqueeze(1).unsqueeze(0) : values.unsqueeze(1);
        var (cosine, sine) = (Table(cat([angles, angles], 1).cos()), Table(cat([angles.sin().neg(), angles.sin()], 1)));
        // A whole sequence alone, of which the own positions count.
        Tensor Alone(int i)
        {
            Tensor Of(Tensor all, int dimension) => parents[i] < 0 ? all.narrow(dimension, starts[i], lengths[i]) : cat([all.narrow(dimension, 0, 20), all.narrow(dimension, starts[i], lengths[i])], dimension);
            var length = lengths[i] + (parents[i] < 0 ? 0 : 20);
            Tensor? Angles(Tensor? table) => table is null ? null : ownAngles ? Of(table, 1) : table.narrow(0, 0, length);
            var output = FusedAttentionOf(Of(inputs[0], 1), Of(inputs[1], 1), Of(inputs[2], 1), shape, null, null, null, Angles(cosine), Angles(sine));
            return output.narrow(1, length - lengths[i], lengths[i]);
        }
        ShouldAgree(inputs, () => cat([.. Enumerable.Range(0, 5).Select(Alone)], 1), () => FusedAttentionOf(inputs[0], inputs[1], inputs[2], shape, lengths, parents, null, cosine, sine));
    }

    [Fact]
    public void Root_mean_square_norm_with_a_weight_that_learns()
    {
        using var scope = NewDisposeScope();
        manual_seed(3);
        Tensor[] inputs = [randn(3, 70, 24).requires_grad_(), randn(24).requires_grad_()];
        ShouldAgree(inputs, () => inputs[0] * (inputs[0].square().mean([-1], keepdim: true) + 1e-3).rsqrt() * (inputs[1] + 1), () => RmsNormKernel.Run(inputs[0], inputs[1], 1e-3, 1));
    }

    [Fact]
    public void Gated_silu_over_a_wide_range()
    {
        using var scope = NewDisposeScope();
        manual_seed(4);
        Tensor[] inputs = [(randn(5, 1000) * 40).requires_grad_(), randn(5, 1000).requires_grad_()];
        ShouldAgree(inputs, () => nn.functional.silu(inputs[0]) * inputs[1], () => SwigluKernel.Run(inputs[0], inputs[1]));
    }

    [Fact]
    public void Exponential_is_right_to_two_units_in_the_last_place()
    {
        for (var x = -87.0f; x < 88; x += 0.0137f)
            Exponential.Of(Vector256.Create(x))[0].ShouldBe((float)Math.Exp(x), Math.Exp(x) * 2.4e-7);
        Exponential.Of(Vector256.Create(float.NegativeInfinity))[0].ShouldBe(0, 1.2e-38);
    }

    [Fact]
    public void Power_of_two_is_right_to_two_units_in_the_last_place()
    {
        for (var x = -125.999f; x < 127; x += 0.0137f)
        {
            Exponential.OfTwo(Vector256.Create(x))[0].ShouldBe((float)Math.Pow(2, x), Math.Pow(2, x) * 2.4e-7);
            Exponential.OfTwo(Vector512.Create(x))[0].ShouldBe(Exponential.OfTwo(Vector256.Create(x))[0]);
        }
        foreach (var x in new[] { -126, -126.5f, -127, -1000, float.NegativeInfinity })
        {
            Exponential.OfTwo(Vector256.Create(x)).ShouldBe(Vector256<float>.Zero);
            Exponential.OfTwo(Vector512.Create(x)).ShouldBe(Vector512<float>.Zero);
        }
        Exponential.OfTwo(Vector256.Create(float.NaN))[0].ShouldBe(float.NaN);
        Exponential.OfTwo(Vector512.Create(float.NaN))[0].ShouldBe(float.NaN);
    }

    // Relative to the largest number: sums of float32 in another order.
    private static Tensor FusedAttentionOf(Tensor q, Tensor k, Tensor v, AttentionShape shape, IReadOnlyList<int>? lengths, IReadOnlyList<int>? parents, IReadOnlyList<int>? real, Tensor? cosine, Tensor? sine)
        => FusedAttention.Run(q, k, v, new FusedAttention([0, 1, 2], (int)q.shape[0], (int)q.shape[1], shape, lengths, parents, real, cosine, sine));

    private static void ShouldAgree(Tensor[] inputs, Func<Tensor> expected, Func<Tensor> actual)
    {
        var (e, a) = (expected(), actual());
        var weights = randn_like(e);
        List<Tensor> Gradients(Tensor output)
        {
            foreach (var input in inputs) input.grad = null;
            (output * weights).sum().backward();
            return [.. inputs.Select(input => input.grad!.clone())];
        }
        foreach (var (left, right) in Gradients(e).Zip(Gradients(a)).Prepend((e, a)))
            right.RelativeDifference(left).ShouldBeLessThan(1e-5);
    }
}
