using Peft.Kernels;
using static TorchSharp.torch;

namespace Peft.Core.Tests.Kernels;

public class HighestScoreTests
{
    [Theory, InlineData(1), InlineData(7), InlineData(31), InlineData(32), InlineData(77), InlineData(4096)]
    public void The_index_is_that_of_torch(int vocabulary)
    {
        using var scope = NewDisposeScope();
        manual_seed(vocabulary);
        var scores = randn(5, vocabulary);

        HighestScore.Indices(scores).data<long>().ShouldBe(scores.argmax(-1, true).data<long>());
        HighestScore.IsFinite(scores).ShouldBeTrue();
    }

    [Theory, InlineData(5), InlineData(77)]
    public void Of_equal_scores_the_first_is_chosen(int vocabulary)
    {
        using var scope = NewDisposeScope();
        var scores = zeros(1, vocabulary);
        scores[0, 3] = scores[0, vocabulary - 1] = 2;

        HighestScore.Indices(scores).item<long>().ShouldBe(3);
    }

    [Fact]
    public void Scores_without_a_finite_maximum_are_found_at_any_index()
    {
        using var scope = NewDisposeScope();
        for (var i = 0; i < 77; i++)
            foreach (var wrong in new[] { float.NaN, float.PositiveInfinity })
            {
                var scores = zeros(2, 77);
                scores[1, i] = wrong;
                HighestScore.IsFinite(scores).ShouldBeFalse();
                HighestScore.Indices(scores).data<long>().ShouldBe([0, i]);
            }
        HighestScore.IsFinite(full([1, 77], float.NegativeInfinity)).ShouldBeFalse();
    }

    [Fact]
    public void Excluded_tokens_are_no_error()
    {
        using var scope = NewDisposeScope();
        var scores = full([1, 77], float.NegativeInfinity);
        scores[0, 50] = -1;

        HighestScore.IsFinite(scores).ShouldBeTrue();
        HighestScore.Indices(scores).item<long>().ShouldBe(50);
    }
}
