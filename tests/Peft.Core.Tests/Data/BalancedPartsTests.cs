namespace Peft.Core.Tests.Data;

public class BalancedPartsTests
{
    [Theory, InlineData(8, 2), InlineData(9, 3), InlineData(5, 5), InlineData(7, 1), InlineData(10, 4)]
    public void Each_item_is_in_one_part_and_parts_are_nearly_as_equal_as_possible(int items, int count)
    {
        var random = new Random(1);
        var ratios = new List<double>();
        for (var run = 0; run < 20; run++)
        {
            int[] sizes = [.. Enumerable.Range(0, items).Select(_ => random.Next(20, 400))];
            var parts = BalancedParts.Of(sizes, count);
            parts.Count.ShouldBe(count);
            parts.SelectMany(part => part).Order().ShouldBe(Enumerable.Range(0, items));
            foreach (var part in parts) part.ShouldBe(part.Order());
            parts.Select(part => part[0]).ShouldBe(parts.Select(part => part[0]).Order());
            ratios.Add(parts.Max(part => part.Sum(item => sizes[item])) / (double)Best(sizes, new int[count], 0));
        }
        ratios.Max().ShouldBeLessThanOrEqualTo(4 / 3.0 - 1 / (3.0 * count));   // Graham 1969, for the first step alone
        ratios.Average().ShouldBeLessThan(1.02);
    }

    [Fact]
    public void Equal_items_are_divided_equally() => BalancedParts.Of([3, 3, 3, 3, 3, 3, 3], 3).Select(part => part.Length).ShouldBe([3, 2, 2]);

    [Fact]
    public void Many_sequences_differ_by_a_token_at_most()
    {
        var random = new Random(2);
        int[] sizes = [.. Enumerable.Range(0, 500).Select(_ => random.Next(1, 1000))];
        var sums = BalancedParts.Of(sizes, 2).Select(part => part.Sum(item => sizes[item])).ToList();
        (sums.Max() - sums.Min()).ShouldBeLessThanOrEqualTo(1);
    }

    // The smallest possible size of the largest part, by trying all.
    private static int Best(int[] sizes, int[] sums, int item)
    {
        if (item == sizes.Length) return sums.Max();
        var best = int.MaxValue;
        for (var part = 0; part < sums.Length; part++)
        {
            sums[part] += sizes[item];
            best = Math.Min(best, Best(sizes, sums, item + 1));
            sums[part] -= sizes[item];
            if (sums[part] == 0) break;   // the other empty parts give the same
        }
        return best;
    }
}
