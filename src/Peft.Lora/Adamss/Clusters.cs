namespace Peft.Lora;

/// <summary>
/// Lloyd's k-means with the results of scikit-learn's <c>KMeans(init="random", n_init=1, max_iter=10, random_state=123456789)</c>. An AdaMSS file does not
/// contain the groups, so every reader must reproduce them.
/// </summary>
internal static class Clusters
{
    private const uint Seed = 123456789;
    private const int Rounds = 10;
    private const double Tolerance = 1e-4;

    /// <summary>Clusters the rows of a matrix and returns the row indices of each group in ascending order.</summary>
    /// <param name="matrix"><c>[rows, columns]</c></param>
    /// <param name="count">Number of groups, capped at the number of rows.</param>
    public static long[][] Of(Tensor matrix, int count)
    {
        using var scope = NewDisposeScope();
        var flat = matrix.detach().to_type(ScalarType.Float64).cpu();
        var limit = flat.var([0], unbiased: false).mean().item<double>() * Tolerance;
        flat = flat.sub(flat.mean([0], keepdim: true));
        var (rows, columns) = ((int)flat.size(0), (int)flat.size(1));
        count = Math.Min(count, rows);
        var centres = flat.index_select(0, tensor(new MersenneTwister(Seed).Choose(rows, count).Select(row => (long)row).ToArray()));
        var labels = Nearest(flat, centres);
        for (var round = 0; round < Rounds; round++)
        {
            var moved = Means(flat, labels, centres);
            var shift = moved.sub(centres).square().sum().item<double>();
            var before = labels;
            (centres, labels) = (moved, Nearest(flat, moved));
            if (labels.SequenceEqual(before) || shift <= limit) break;
        }
        return [.. Enumerable.Range(0, count).Select(group => Enumerable.Range(0, rows).Where(row => labels[row] == group).Select(row => (long)row).ToArray())];
    }

    private static long[] Nearest(Tensor rows, Tensor centres)
    {
        using var scope = NewDisposeScope();
        return [.. centres.square().sum(1).sub(rows.mm(centres.t()).mul(Constant(2))).argmin(1).data<long>()];
    }

    // An empty group takes the row that is farthest from its own centre.
    private static Tensor Means(Tensor rows, long[] labels, Tensor centres)
    {
        var count = (int)centres.size(0);
        var groups = tensor(labels);
        var sums = zeros_like(centres).index_add_(0, groups, rows, Constant(1));
        var sizes = Enumerable.Range(0, count).Select(group => labels.LongCount(label => label == group)).ToArray();
        if (sizes.Contains(0))
        {
            using var distances = rows.sub(centres.index_select(0, groups)).square().sum(1);
            var far = new Queue<long>(distances.argsort(descending: true).data<long>());
            for (var group = 0; group < count; group++)
            {
                if (sizes[group] > 0) continue;
                var row = far.Dequeue();
                using var value = rows[row];
                sums[labels[row]] = sums[labels[row]].sub(value);
                sums[group] = value;
                sizes[labels[row]]--;
                sizes[group] = 1;
            }
        }
        return sums.div(tensor(sizes.Select(size => (double)Math.Max(1, size)).ToArray()).unsqueeze(1));
    }
}
