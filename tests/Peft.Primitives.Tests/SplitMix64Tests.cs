namespace Peft.Primitives.Tests;

public sealed class SplitMix64Tests
{
    [Fact]
    public void Shuffling_is_uniform()
    {
        var firsts = new int[4];
        for (var seed = 0; seed < 4000; seed++)
        {
            var items = new[] { 0, 1, 2, 3 };
            new SplitMix64(SplitMix64.Mix(seed, 0)).Shuffle(items);
            firsts[items[0]]++;
        }
        firsts.ShouldAllBe(count => Math.Abs(count - 1000) < 140);   // five standard deviations of a binomial (4000, ¼)
    }
}
