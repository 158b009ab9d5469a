using FsCheck.Xunit;

namespace Peft.Core.Tests.Optimization;

public class LearningRateScheduleTests
{
    // Worked out by hand from the definitions of transformers.optimization, for 2 warmup steps of 10.
    [Theory]
    [InlineData("constant", new[] { 0, 0.5, 1, 1, 1, 1, 1, 1, 1, 1, 1 })]
    [InlineData("linear", new[] { 0, 0.5, 1, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125, 0 })]
    [InlineData("cosine", new[] { 0, 0.5, 1, 0.961939766, 0.853553391, 0.691341716, 0.5, 0.308658284, 0.146446609, 0.038060234, 0 })]
    [InlineData("restarts", new[] { 0, 0.5, 1, 0.853553391, 0.5, 0.146446609, 1, 0.853553391, 0.5, 0.146446609, 0 })]
    [InlineData("polynomial", new[] { 0, 0.5, 1, 0.7890625, 0.60625, 0.4515625, 0.325, 0.2265625, 0.15625, 0.1140625, 0.1 })]
    [InlineData("inverse", new[] { 0, 0.5, 1, 0.816496581, 0.707106781, 0.632455532, 0.577350269, 0.534522484, 0.5, 0.471404521, 0.447213595 })]
    [InlineData("wsd", new[] { 0.1, 0.55, 1, 1, 1, 1, 1, 0.868198052, 0.55, 0.231801948, 0.1 })]
    public void Factors_are_those_of_the_reference(string name, double[] expected)
    {
        var schedule = name switch
        {
            "constant" => LearningRateSchedule.Constant,
            "linear" => LearningRateSchedule.Linear,
            "cosine" => LearningRateSchedule.Cosine(),
            "restarts" => LearningRateSchedule.CosineWithRestarts(2),
            "polynomial" => LearningRateSchedule.Polynomial(power: 2, endFactor: 0.1),
            "inverse" => LearningRateSchedule.InverseSquareRoot(),
            _ => LearningRateSchedule.WarmupStableDecay(decaySteps: 4, minimumFactor: 0.1),
        };
        for (var step = 0; step <= 10; step++) schedule.Factor(step, 2, 10).ShouldBe(expected[step], 1e-8, $"step {step}");   // as printed: nine digits
    }

    [Fact]
    public void Inverse_square_root_without_warmup_takes_ten_thousand_steps_as_its_scale()
        => LearningRateSchedule.InverseSquareRoot().Factor(30_000, 0, 100_000).ShouldBe(0.5, 1e-12);

    [Property]
    public void No_schedule_leaves_zero_to_one_or_rises_after_the_warmup(ushort warmup, ushort rest)
    {
        var total = warmup + rest + 1;
        LearningRateSchedule[] schedules =
        [
            LearningRateSchedule.Constant, LearningRateSchedule.Linear, LearningRateSchedule.Cosine(), LearningRateSchedule.Polynomial(),
            LearningRateSchedule.InverseSquareRoot(), LearningRateSchedule.WarmupStableDecay(10, 0.2),
        ];
        foreach (var schedule in schedules)
        {
            var last = double.PositiveInfinity;
            for (var step = 0; step <= total; step += Math.Max(1, total / 50))
            {
                var factor = schedule.Factor(step, warmup, total);
                factor.ShouldBeInRange(0, 1);
                if (step < warmup) continue;
                factor.ShouldBeLessThanOrEqualTo(last);
                last = factor;
            }
        }
    }
}
