using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Lora.Tests;

/// <summary>AdaMSS: the groups of rows, and subspaces that stop learning.</summary>
public sealed class AdamssTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();

    public AdamssTests() => manual_seed(12);

    public void Dispose() => scope.Dispose();

    [Fact]
    public void Random_numbers_are_those_of_NumPys_RandomState()
    {
        // numpy.random.RandomState(0).random_sample(3), as its documentation prints it.
        var random = new MersenneTwister(0);
        new[] { random.Uniform(), random.Uniform(), random.Uniform() }.ShouldBe([0.5488135039273248, 0.7151893663724195, 0.6027633760716439], 1e-15);
        var chosen = new MersenneTwister(5).Choose(6, 6);
        chosen.Order().ShouldBe([0, 1, 2, 3, 4, 5]);
    }

    [Fact]
    public void Rows_that_lie_apart_are_groups()
    {
        var centres = tensor(new float[,] { { 9, 0 }, { 0, 9 }, { -9, -9 } });
        long[] of = [0, 1, 1, 2, 0, 2, 2, 1];
        var rows = centres.index_select(0, tensor(of)) + randn(8, 2) * 0.1;
        var groups = Clusters.Of(rows, 3);
        groups.SelectMany(group => group).Order().ShouldBe(Enumerable.Range(0, 8).Select(i => (long)i));
        groups.Length.ShouldBe(3);
        // Random starts may end in another grouping than the best; whatever it is, each row is nearest to the mean of its own group.
        var means = groups.Select(group => rows.index_select(0, tensor(group)).mean([0])).ToArray();
        for (var group = 0; group < 3; group++)
            foreach (var row in groups[group])
                means.Min(mean => (rows[row] - mean).norm().item<float>()).ShouldBe((rows[row] - means[group]).norm().item<float>(), 1e-5f);
        Clusters.Of(rows, 20).Length.ShouldBe(8);   // no more groups than rows
    }

    [Fact]
    public void The_update_of_a_group_is_its_own_product_and_a_bias_is_an_input_of_ones()
    {
        using var model = nn.Sequential(nn.Linear(6, 8));
        using var peft = model.ApplyAdamss(new AdamssOptions { Rank = 4, SubspaceCount = 3, SubspaceRank = 2, TargetModules = "0" });
        var x = randn(5, 6);
        var before = model.call(x);
        peft.Shake(1);
        var layer = (AdamssLayer)peft.Find("default").Layers.Single();
        var right = peft.StateOf(peft.Find("default"))["base_model.model.0.adamss_newB"];
        right.shape.ShouldBe([4, 7]);
        using (no_grad())
        {
            var joined = cat([model.get_parameter("0.weight")!, model.get_parameter("0.bias")!.unsqueeze(1)], 1);
            var (_, _, vt) = linalg.svd(joined, fullMatrices: false);
            (right.mm(vt.narrow(0, 0, 4).t()).abs() - eye(4)).abs().max().item<float>().ShouldBeLessThan(0.1f);   // the first singular vectors, nearly
            var groups = Clusters.Of(linalg.lstsq(right.t(), joined.t()).Solution.t() / linalg.svdvals(joined).narrow(0, 0, 4), 3);
            groups.Sum(group => group.Length).ShouldBe(8);
        }
        var inputs = cat([x, ones(5, 1)], 1);
        var change = model.call(x) - before;
        // Columns of the change that belong to a group are its product alone: their rank is that of the group.
        var sizes = layer.Subspaces.Select(each => each.B.Value.shape[0]).ToArray();
        sizes.Sum().ShouldBe(8);
        var columns = Enumerable.Range(0, 8).Select(i => change[.., i]).ToList();
        foreach (var subspace in layer.Subspaces)
        {
            var expected = inputs.matmul(subspace.B.Value.mm(subspace.A.Value).mm(right).t());
            foreach (var i in Enumerable.Range(0, (int)expected.shape[1]))
            {
                var found = columns.FindIndex(column => Run.Difference(column, expected[.., i]) < 1e-4f);
                found.ShouldBeGreaterThanOrEqualTo(0);
                columns.RemoveAt(found);
            }
        }
        columns.ShouldBeEmpty();
    }

    [Fact]
    public void With_a_dynamic_rank_small_directions_are_left_out()
    {
        using var model = nn.Sequential(nn.Linear(6, 8, hasBias: false));
        IReadOnlyList<long> Ranks(double threshold)
        {
            using var peft = model.ApplyAdamss(new AdamssOptions { Rank = 6, SubspaceCount = 2, SubspaceRank = 4, UseDynamicRank = true, SvdThreshold = threshold, TargetModules = "0" });
            return [.. ((AdamssLayer)peft.Find("default").Layers.Single()).Subspaces.Select(each => each.A.Value.shape[0])];
        }
        Ranks(0.999).ShouldAllBe(rank => rank == 1);
        Ranks(0).ShouldContain(rank => rank > 1);
    }

    [Fact]
    public void Subspaces_stop_learning_until_the_wanted_number_is_left()
    {
        using var model = nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 8));
        var options = new AdamssOptions
        {
            Rank = 8, SubspaceCount = 4, SubspaceRank = 1, TargetModules = ModuleSelector.AllLinear,
            UseAsa = true, TargetSubspaces = 3, InitialSteps = 2, FinalStep = 8, Interval = 2, ScheduleExponent = 1,
        };
        using var peft = model.ApplyAdamss(options);
        peft.Shake(0.2);
        var (x, y) = (randn(32, 8), randn(32, 8));
        using var parameters = new FlatParameters(peft.Trainables);
        using var optimizer = new AdamW(parameters, 1e-2, new OptimizerOptions { WeightDecay = 0.1 });
        var all = peft.Find("default").Layers.Cast<AdamssLayer>().SelectMany(layer => layer.Subspaces).ToList();
        var learning = new List<int>();
        Dictionary<int, Tensor> stopped = [];
        for (var step = 1; step <= 12; step++)
        {
            parameters.ZeroGradients();
            (model.call(x) - y).square().mean().backward();
            parameters.BindGradients();
            optimizer.Step();
            peft.AfterStep(step, 12);
            learning.Add(all.Count(Learns));
            for (var i = 0; i < all.Count; i++)
                if (stopped.TryGetValue(i, out var value)) Run.Difference(all[i].B.Value, value).ShouldBe(0);
                else if (!Learns(all[i])) stopped[i] = all[i].B.Value.detach().clone();
        }
        learning[1].ShouldBe(8);
        learning.ShouldBe(learning.OrderDescending());
        learning[^1].ShouldBe(3);
        learning.Distinct().Count().ShouldBeGreaterThan(2);
        stopped.Count.ShouldBe(5);
        stopped.Values.ShouldAllBe(value => value.abs().sum().item<float>() > 0);   // what they have learned stays

        static bool Learns(AdamssLayer.Subspace subspace) => subspace.A.Active!.item<float>() > 0;
    }
}
