using System.Runtime.Intrinsics;
using Peft.Kernels;
using static TorchSharp.torch;

namespace Peft.Core.Tests.Kernels;

public class TokenLossKernelTests
{
    [Theory]
    [InlineData(128, 8, 1, 1), InlineData(130, 5, 7, 1), InlineData(200, 20, 383, 1), InlineData(131, 64, 384, 0.7), InlineData(129, 33, 385, 1), InlineData(150, 48, 1000, 2), InlineData(1301, 16, 770, 1), InlineData(2500, 12, 1153, 1)]
    public void Values_statistics_and_derivatives_are_those_of_float64(int rows, int hidden, int vocabulary, double temperature)
    {
        using var scope = NewDisposeScope();
        manual_seed(rows);
        // A head that is a part of a larger one has another row stride.
        var (x, head, targets) = (randn(rows, hidden), randn(vocabulary, hidden + 3).narrow(1, 2, hidden), randint(0, vocabulary, [rows], dtype: ScalarType.Int64));
        TokenLossKernel.Supports(x, head, targets).ShouldBe(Vector256.IsHardwareAccelerated);
        var exact = x.to(float64).requires_grad_();
        var logits = exact.mm(head.to(float64).t()).div(temperature);
        var all = logits.log_softmax(-1);
        var chosen = all.gather(1, targets.unsqueeze(1)).squeeze(1);
        chosen.sum().backward();

        var derivatives = empty(rows, hidden);
        var sums = TokenLossKernel.Run(x, head, targets, temperature, statistics: true, derivatives);

        var scale = logits.detach().abs().max().item<double>();
        Close(sums, each => each.LogProbability, chosen, 1e-6 * (1 + scale));
        Close(sums, each => each.Entropy, all.exp().mul(all).sum(dim: 1).neg(), 2e-6 * (1 + scale));
        Close(sums, each => each.LogSquaredSum, all.mul(2).logsumexp(-1), 2e-6 * (1 + scale));
        Close(sums, each => each.Total, logits.sum(dim: 1), 2e-6 * scale * Math.Sqrt(vocabulary) + 1e-6);
        for (var row = 0; row < rows; row++) sums[row].IsGreedy.ShouldBe(logits[row].argmax().item<long>() == targets[row].item<long>());
        derivatives.to(float64).sub(exact.grad!).abs().max().item<double>().ShouldBeLessThan(3e-6 * (1 + scale) / temperature);

        var without = TokenLossKernel.Run(x, head, targets, temperature);
        without.Select(each => each.LogProbability).ShouldBe(sums.Select(each => each.LogProbability));
    }

    [Fact]
    public void The_derivative_of_a_nearly_certain_token_keeps_its_precision()
    {
        using var scope = NewDisposeScope();
        manual_seed(0);
        var (rows, hidden, vocabulary) = (128, 32, 900);
        var (head, targets) = (randn(vocabulary, hidden), randint(0, vocabulary, [128], dtype: ScalarType.Int64));
        var x = head.index_select(0, targets).mul(0.6);   // p is 0.99 to 1 − 10⁻⁹
        var exact = x.to(float64).requires_grad_();
        var chosen = exact.mm(head.to(float64).t()).log_softmax(-1).gather(1, targets.unsqueeze(1)).squeeze(1);
        chosen.sum().backward();
        chosen.exp().gt(0.999).sum().item<long>().ShouldBeGreaterThan(32);

        var derivatives = empty(rows, hidden);
        var sums = TokenLossKernel.Run(x, head, targets, derivatives: derivatives);

        var single = x.clone().requires_grad_();
        single.mm(head.t()).log_softmax(-1).gather(1, targets.unsqueeze(1)).sum().backward();
        // Relative to the largest value of each row: torch loses 1 − p in float32.
        double Error(Tensor gradient) => gradient.to(float64).sub(exact.grad!).abs().amax([1]).div(exact.grad!.abs().amax([1])).max().item<double>();
        Error(single.grad!).ShouldBeGreaterThan(0.01);
        Error(derivatives).ShouldBeLessThan(1e-4);
        for (var row = 0; row < rows; row++) (sums[row].LogProbability / chosen[row].item<double>()).ShouldBe(1, 1e-4);
    }

    [Theory, InlineData(float.NaN), InlineData(float.PositiveInfinity), InlineData(float.NegativeInfinity)]
    public void Logits_that_are_not_finite_give_what_torch_gives(float wrong)
    {
        using var scope = NewDisposeScope();
        foreach (var (at, target) in new[] { (0, 0), (3, 500), (500, 3), (777, 777), (400, 0) })
        {
            // The first value of an input is the logit of the wrong token, and the others' do not contain it.
            var (x, head) = (ones(128, 9), zeros(800, 9));
            x[5, 0] = wrong;
            head[at, 0] = 1;
            var others = zeros(800).index_fill(0, tensor(new long[] { at }), 1);
            var logits = zeros(128, 800).add(others);
            logits[5, at] = wrong;
            var expected = logits.log_softmax(-1)[5, target].item<float>();
            // 0·∞ is NaN in a product, so that the row has no finite logit.
            if (float.IsInfinity(wrong)) expected = float.NaN;
            var derivatives = empty(128, 9);

            var sums = TokenLossKernel.Run(x, head, full(128, target, ScalarType.Int64), derivatives: derivatives);

            ((float)sums[5].LogProbability).ShouldBe(expected);
            float.IsNaN(expected).ShouldBeTrue();
            derivatives[5].isnan().all().item<bool>().ShouldBeTrue();
            sums[4].LogProbability.ShouldBe(logits.log_softmax(-1)[4, target].item<float>(), 1e-5);
            derivatives[4].isnan().any().item<bool>().ShouldBeFalse();
        }
    }

    [Fact]
    public void Very_low_and_high_logits_do_not_overflow()
    {
        using var scope = NewDisposeScope();
        // The logits of a block are all very low, then some are very high, then all are 0.
        var (x, head) = (ones(128, 8), zeros(1200, 8));
        head.narrow(0, 0, 384).fill_(-4e37f);
        head[500].fill_(4e37f);
        head[600].fill_(4e37f);
        var targets = full(128, 500, ScalarType.Int64);
        targets.narrow(0, 64, 64).fill_(0);

        var derivatives = empty(128, 8);
        var sums = TokenLossKernel.Run(x, head, targets, derivatives: derivatives);

        sums[0].LogProbability.ShouldBe(-Math.Log(2), 1e-6);
        sums[64].LogProbability.ShouldBe(-6.4e38, 1e33);
        derivatives.narrow(0, 0, 64).abs().max().item<float>().ShouldBeLessThan(1e32f);
        derivatives[64, 0].item<float>().ShouldBe(-8e37f, 1e32f);
    }

    [Fact]
    public void Equal_runs_give_equal_bits_with_any_number_of_threads()
    {
        using var scope = NewDisposeScope();
        manual_seed(0);
        var (x, head, targets) = (randn(333, 40), randn(999, 40), randint(0, 999, [333], dtype: ScalarType.Int64));
        var threads = get_num_threads();
        (double[], float[]) Run(int count)
        {
            set_num_threads(count);
            var derivatives = empty(333, 40);
            var sums = TokenLossKernel.Run(x, head, targets, 0.9, true, derivatives);
            set_num_threads(threads);
            return ([.. sums.SelectMany(each => new[] { each.LogProbability, each.Entropy, each.Total })], derivatives.data<float>().ToArray());
        }

        var (values, derivatives) = Run(threads);
        foreach (var count in new[] { threads, 1, 3 })
        {
            var again = Run(count);
            again.Item1.ShouldBe(values);
            again.Item2.ShouldBe(derivatives);
        }
    }

    [Fact]
    public void Other_rows_heads_and_targets_are_left_to_torch()
    {
        using var scope = NewDisposeScope();
        var (x, head, targets) = (randn(500, 16), randn(30, 16), zeros(500, ScalarType.Int64));
        TokenLossKernel.Supports(x, head, targets).ShouldBe(Vector256.IsHardwareAccelerated);
        TokenLossKernel.Supports(x.narrow(0, 0, 7), head, targets.narrow(0, 0, 7)).ShouldBeFalse("few rows");
        TokenLossKernel.Supports(x.to(float64), head.to(float64), targets).ShouldBeFalse();
        TokenLossKernel.Supports(x, head.to(bfloat16), targets).ShouldBeFalse();
        TokenLossKernel.Supports(x, randn(16, 30).t(), targets).ShouldBeFalse("stored by columns");
        TokenLossKernel.Supports(x, randn(30, 15), targets).ShouldBeFalse("torch reports the error");
        TokenLossKernel.Supports(x, head, targets.narrow(0, 0, 499)).ShouldBeFalse();
        TokenLossKernel.Supports(x, head, targets.to(int32)).ShouldBeFalse();
        foreach (var outside in new[] { Batch.IgnoredLabel, -1, 30 }) TokenLossKernel.Supports(x, head, full(500, outside, ScalarType.Int64)).ShouldBeFalse();
    }

    private static void Close(TokenSums[] sums, Func<TokenSums, double> value, Tensor expected, double tolerance)
    {
        var values = expected.detach().data<double>().ToArray();
        for (var row = 0; row < sums.Length; row++) value(sums[row]).ShouldBe(values[row], tolerance);
    }
}
