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
        using var peft = model.ApplyAdapter(new AdamssOptions { Rank = 7, SubspaceCount = 3, SubspaceRank = 2, TargetModules = "0" });
        var x = randn(5, 6);
        var before = model.call(x);
        peft.Shake(1);
        var layer = (AdamssLayer)peft.Find("default").Layers.Single();
        var right = peft.StateOf(peft.Find("default"))["base_model.model.0.adamss_newB"];
        using var _ = no_grad();
        var joined = cat([model.get_parameter("0.weight")!, model.get_parameter("0.bias")!.unsqueeze(1)], 1);
        var (left, _, vt) = linalg.svd(joined, fullMatrices: false);
        right.mm(vt.t()).abs().Difference(eye(7)).ShouldBeLessThan(1e-3f);   // the singular vectors, of either sign
        var groups = Clusters.Of(left, 3);
        layer.Subspaces.Count.ShouldBe(3);
        var (inputs, change) = (cat([x, ones(5, 1)], 1), model.call(x) - before);
        foreach (var (rows, subspace) in groups.Zip(layer.Subspaces))
            change.index_select(1, tensor(rows)).Difference(inputs.matmul(subspace.B.Value.mm(subspace.A.Value).mm(right).t())).ShouldBeLessThan(1e-4f);
    }

    [Fact]
    public void With_a_dynamic_rank_small_directions_are_left_out()
    {
        using var model = nn.Sequential(nn.Linear(6, 16, hasBias: false));
        var seen = new HashSet<long>();
        foreach (var threshold in new[] { 0, 0.2, 0.5, 0.9 })
        {
            using var peft = model.ApplyAdapter(new AdamssOptions { Rank = 6, SubspaceCount = 3, SubspaceRank = 4, UseDynamicRank = true, SvdThreshold = threshold, TargetModules = "0" });
            using var _ = no_grad();
            var (left, _, _) = linalg.svd(model.get_parameter("0.weight")!, fullMatrices: false);
            foreach (var (rows, subspace) in Clusters.Of(left, 3).Zip(((AdamssLayer)peft.Find("default").Layers.Single()).Subspaces))
            {
                var part = left.index_select(0, tensor(rows));
                var values = linalg.eigvalsh(part.mm(part.t()));
                var large = values.gt(values.max() * threshold).sum().item<long>();
                subspace.A.Value.shape.ShouldBe([Math.Min(large, Math.Min(4, rows.Length)), 6]);
                seen.Add(subspace.A.Value.shape[0]);
            }
        }
        seen.Count.ShouldBeGreaterThan(1);
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
        using var peft = model.ApplyAdapter(options);
        peft.Shake(0.2);
        var (x, y) = (randn(32, 8), randn(32, 8));
        using var parameters = new FlatParameters(peft.Trainables);
        using var optimizer = new FlatAdamW(parameters, 1e-2, new AdamWOptions { WeightDecay = 0.1 });
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
            learning.Add(all.Count(RequiresGrad));
            for (var i = 0; i < all.Count; i++)
                if (stopped.TryGetValue(i, out var value)) all[i].B.Value.Difference(value).ShouldBe(0);
                else if (!RequiresGrad(all[i])) stopped[i] = all[i].B.Value.detach().clone();
        }
        learning[1].ShouldBe(8);
        learning.ShouldBe(learning.OrderDescending());
        learning[^1].ShouldBe(3);
        learning.Distinct().Count().ShouldBeGreaterThan(2);
        stopped.Count.ShouldBe(5);
        stopped.Values.ShouldAllBe(value => value.abs().sum().item<float>() > 0);   // what they have learned stays

        static bool RequiresGrad(AdamssLayer.Subspace subspace) => subspace.A.Active!.item<float>() > 0;
    }
}
