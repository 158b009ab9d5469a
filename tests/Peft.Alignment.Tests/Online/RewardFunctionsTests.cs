namespace Peft.Alignment.Tests.Online;

/// <summary>TRL's values for the examples of its documentation, and at the bounds.</summary>
public class RewardFunctionsTests
{
    [Theory]
    [InlineData("<think>\nThis is my reasoning.\n</think>\nThis is my answer.", 1)]
    [InlineData("<think>\nThis is my reasoning.\nThis is my answer.", 0)]
    [InlineData("<think></think>", 1)]
    [InlineData(" <think>a</think>", 0)]
    [InlineData("<think>a<think>b</think>", 0)]
    [InlineData("<think>a</think>b<think>", 0)]
    [InlineData("<think>a</think>b</think>c", 1)]
    [InlineData("</think><think>", 0)]
    public void Think_format(string text, double expected) => Reward(RewardFunctions.ThinkFormat(), [1], text).ShouldBe(expected);

    [Theory]
    [InlineData(80, 0)]
    [InlineData(90, -0.5)]
    [InlineData(100, -1)]
    [InlineData(101, -1)]
    [InlineData(1, 0)]
    public void Soft_overlong(int length, double expected) => Reward(RewardFunctions.SoftOverlong(100, 20), new int[length]).ShouldBe(expected, 1e-12);

    [Fact]
    public void Soft_overlong_without_a_buffer()
    {
        Reward(RewardFunctions.SoftOverlong(3, 0), new int[3]).ShouldBe(0);
        Reward(RewardFunctions.SoftOverlong(3, 0), new int[4]).ShouldBe(-1);
        Should.Throw<ArgumentOutOfRangeException>(() => RewardFunctions.SoftOverlong(3, 4));
    }

    [Theory]
    [InlineData(new[] { 1, 2, 3, 4 }, 2, 0)]
    [InlineData(new[] { 5, 5, 5, 5, 5 }, 2, -0.75)]
    [InlineData(new[] { 5, 5 }, 3, 0)]
    [InlineData(new[] { 1, 12, 1, 12, 11, 2 }, 2, -0.2)]
    public void Repetition(int[] tokens, int size, double expected) => Reward(RewardFunctions.RepetitionPenalty(size), tokens).ShouldBe(expected, 1e-12);

    [Theory]
    [InlineData(50, true, 0.75)]
    [InlineData(50, false, -0.75)]
    [InlineData(100, true, 0.5)]
    [InlineData(300, true, 0.5)]
    [InlineData(300, false, -0.5)]
    [InlineData(0, true, 1.0)]
    [InlineData(0, false, -1.0)]
    [InlineData(50, null, null)]
    public void Cosine(int length, bool? isRight, double? expected)
    {
        var reward = Reward(RewardFunctions.CosineScaled(_ => isRight, 100), new int[length]);
        if (expected is { } value) reward.ShouldBe(value, 1e-12);
        else reward.ShouldBe(double.NaN);
    }

    private static double Reward(RewardFunction function, int[] tokens, string? text = null)
        => RewardFunction.Call([function], [new() { Row = 0, Prompt = [1], Tokens = tokens, IsTruncated = false, Text = text }], default)[0][0];
}
