namespace Peft;

/// <summary>Divides items into parts of about the same size, so that threads finish at the same time.</summary>
internal static class BalancedParts
{
    /// <summary>The items of each part, in ascending order; the parts in the order of their first items. No part is empty.</summary>
    /// <param name="sizes">Size of each item, at least 1.</param>
    /// <param name="count">Number of parts, at most that of the items.</param>
    public static IReadOnlyList<int[]> Of(IReadOnlyList<int> sizes, int count)
    {
        // Each item, the largest first, goes to the smallest part.
        var (sums, parts) = (new long[count], new int[sizes.Count]);
        foreach (var item in Enumerable.Range(0, sizes.Count).OrderByDescending(item => sizes[item])) Move(item, Array.IndexOf(sums, sums.Min()), 0);
        while (Improve()) { }
        return [.. Enumerable.Range(0, sizes.Count).GroupBy(item => parts[item]).Select(part => part.ToArray())];

        void Move(int item, int to, int removed)
        {
            sums[to] += sizes[item];
            sums[parts[item]] -= removed;
            parts[item] = to;
        }

        // Moves an item from the largest part to the smallest one, or exchanges it for a smaller one, so that the two differ least.
        bool Improve()
        {
            var (high, low) = (Array.IndexOf(sums, sums.Max()), Array.IndexOf(sums, sums.Min()));
            var (difference, given, taken) = (sums[high] - sums[low], -1, -1);
            for (var i = 0; i < parts.Length; i++)
            {
                if (parts[i] != high) continue;
                Try(i, -1);
                for (var j = 0; j < parts.Length; j++)
                    if (parts[j] == low) Try(i, j);
            }
            if (given < 0) return false;
            Move(given, low, sizes[given]);
            if (taken >= 0) Move(taken, high, sizes[taken]);
            return true;

            void Try(int item, int other)
            {
                var after = Math.Abs(sums[high] - sums[low] - 2L * (sizes[item] - (other < 0 ? 0 : sizes[other])));
                if (after < difference) (difference, given, taken) = (after, item, other);
            }
        }
    }
}
