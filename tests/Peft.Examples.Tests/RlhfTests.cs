using Rlhf;

namespace Peft.Examples.Tests;

public sealed class RlhfTests : ExampleTests
{
    [Fact]
    public void Each_stage_writes_stories_that_the_judge_likes_better_within_the_bound_of_the_divergence()
    {
        using var chain = new Chain(Model, Work, seed: 1, new() { Updates = 10, Measured = 6 });
        var (pretrained, tuned) = chain.Tune();
        tuned.Score.ShouldBeGreaterThan(pretrained.Score);
        var reward = chain.TrainRewardModel();
        reward.Accuracy.ShouldBeGreaterThan(0.65);
        foreach (var run in new[] { chain.Reinforce(Method.Ppo, Teacher.Judge), chain.Reinforce(Method.Grpo, Teacher.RewardModel) })
        {
            run.Points.Count.ShouldBe(10);
            run.Points[0].Kl.ShouldBe(0, 0.1, "the policy begins as the fine-tuned model");
            run.Points[^1].Kl.ShouldBeInRange(0.3, Settings.KlBound);
            run.After.Score.ShouldBeGreaterThan(tuned.Score + 0.1, run.Method.ToString());
        }
    }

    [Theory]
    [InlineData("She was happy. They laughed and had fun.", 1)]
    [InlineData("Happy, happy, happy!", 1 / 3.0)]
    [InlineData("He cried. The dog was sad but kind.", -1 / 3.0)]
    [InlineData("A red ball.", 0)]
    public void The_judge_counts_different_words(string story, double score) => Judge.Score(story).ShouldBe(score, 1e-9);
}
