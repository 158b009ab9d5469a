using Peft.Lora;

namespace Peft.Lora.Tests;

/// <summary>Values of NumPy's <c>default_rng(seed).choice(limit, count, replace=False)</c>.</summary>
public class NumpyRandomTests
{
    [Theory]
    [InlineData(42, 20_000, 900, new long[] { 11772, 1340, 1041, 9729, 11683 }, new long[] { 13090, 15478, 1785 })]
    [InlineData(7, 12_000, 11_999, new long[] { 11403, 11663, 6365, 8112, 3466 }, new long[] { 8208, 7500, 11338 })]
    public void Many_of_many_are_chosen_as_numpy_chooses(uint seed, int limit, int count, long[] first, long[] last)
    {
        var chosen = new NumpyRandom(seed).Choose(limit, count);
        chosen.Length.ShouldBe(count);
        chosen[..5].ShouldBe(first);
        chosen[^3..].ShouldBe(last);
        chosen.Distinct().Count().ShouldBe(count);
    }
}
