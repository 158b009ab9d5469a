using Preferences;

namespace Peft.Examples.Tests;

public sealed class PreferencesTests : ExampleTests
{
    [Fact]
    public void Tuning_makes_solutions_probable_and_each_method_prefers_the_chosen_ones()
    {
        var sizes = new Sizes { Solutions = 96, TuningEpochs = 2, PreferenceEpochs = 6, RewardEpochs = 6, Length = 160 };
        var policies = new Policies(Model, Work, sizes);
        var losses = policies.Tune(Pairs.Solutions(Data)).Losses;
        losses.TakeLast(3).Average().ShouldBeLessThan(losses.Take(3).Average() - 0.5);

        // What a few pairs teach is measured on themselves.
        var pairs = Pairs.Read(Data, "train").Where(pair => ((string)pair["prompt"]! + pair["chosen"] + pair["rejected"]).Length < 350).Take(24).ToList();
        var before = policies.Before(pairs);
        foreach (var method in Enum.GetValues<Method>())
        {
            var (after, _) = policies.Align(method, pairs, pairs);
            after.Accuracy.ShouldBeGreaterThan(0.7, method.ToString());
            after.Margin.ShouldBeGreaterThan(0.05, method.ToString());
            (after.Chosen - after.Rejected).ShouldBeGreaterThan(before.Chosen - before.Rejected, method.ToString());
        }
        new RewardModel(policies.Tuned, sizes).Run(pairs, pairs).Metrics["accuracy"].ShouldBeGreaterThan(0.7);
    }

    [Fact]
    public void The_longer_solution_is_the_chosen_one_a_little_more_often()
        => Pairs.LongerIsChosen([.. Pairs.Read(Data, "train"), .. Pairs.Read(Data, "test")]).ShouldBe(0.5755, 1e-9);
}
