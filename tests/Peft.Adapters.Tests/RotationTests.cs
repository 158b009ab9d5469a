using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Adapters.Tests;

/// <summary>What Hugging Face PEFT has no values for: butterfly factors, convolutions, lookups, dropout of blocks.</summary>
public sealed class RotationTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();

    public RotationTests() => manual_seed(9);

    public void Dispose() => scope.Dispose();

    [Fact]
    public void BOFT_with_butterfly_factors_is_the_product_of_permuted_blocks()
    {
        using var model = nn.Linear(16, 6, dtype: ScalarType.Float64);
        var (weight, bias) = (model.weight!.detach().clone(), model.bias!.detach().clone());
        using var peft = model.ApplyBoft(blockSize: 4, factors: 3, targets: "");
        peft.Shake();
        var state = peft.StateOf(peft.Find("default"));
        var (blocks, scale) = (state["base_model.model.boft_R"], state["base_model.model.boft_s"]);
        blocks.shape.ShouldBe([3, 4, 4, 4]);

        var product = eye(16, dtype: ScalarType.Float64);
        for (var factor = 0; factor < 3; factor++)
        {
            var orthogonal = Enumerable.Range(0, 4).Select(i =>
            {
                var skew = (blocks[factor, i] - blocks[factor, i].t()) / 2;
                var one = eye(4, dtype: ScalarType.Float64);
                return (one - skew).mm(linalg.inv(one + skew));
            }).ToArray();
            // The paper's block butterfly: of each run of 2^factor blocks, all first halves, then all second halves.
            var order = new List<int>();
            var run = 4 << factor;
            for (var start = 0; start < 16; start += run)
                foreach (var half in new[] { 0, 1 })
                    for (var block = start; block < start + run; block += 4)
                        order.AddRange([block + 2 * half, block + 2 * half + 1]);
            var permutation = zeros(16, 16, ScalarType.Float64);
            for (var i = 0; i < 16; i++) permutation[i, order[i]] = 1;
            if (factor == 0) permutation = eye(16, dtype: ScalarType.Float64);
            product = permutation.mm(block_diag(orthogonal)).mm(permutation.t()).mm(product);
        }
        product.mm(product.t()).Difference(eye(16, dtype: ScalarType.Float64)).ShouldBeLessThan(1e-12);
        var x = randn([5, 16], ScalarType.Float64);
        model.call(x).Difference(x.mm(product).mm(weight.t()) * scale.t() + bias).ShouldBeLessThan(1e-12);
        peft.ShouldHaveRightGradients(() => model.call(x).square().mean());
    }

    [Fact]
    public void A_BOFT_file_of_one_factor_is_read_whatever_its_configuration_asks_for()
    {
        using var folder = new TemporaryFolder();
        using var model = nn.Sequential(nn.Linear(16, 8));
        using var peft = model.ApplyAdapter(new BoftOptions { TargetModules = ["0"] });
        peft.Shake();
        var x = randn(3, 16);
        var before = model.call(x);
        peft.SaveAdapter(folder);
        var config = folder[AdapterConfig.FileName];
        File.WriteAllText(config, File.ReadAllText(config).Replace("\"boft_n_butterfly_factor\": 1", "\"boft_n_butterfly_factor\": 2", StringComparison.Ordinal));
        peft.Unload();
        using var again = model.ApplyAdapter(folder);
        model.call(x).Difference(before).ShouldBe(0);
        again.Unload();

        // Other shapes are still refused.
        File.WriteAllText(config, File.ReadAllText(config).Replace("\"boft_block_size\": 4", "\"boft_block_size\": 8", StringComparison.Ordinal));
        Should.Throw<AdapterMismatchException>(() => model.ApplyAdapter(folder)).Message.ShouldContain("boft_R");
    }

    public static TheoryData<string> Methods => ["oft", "oft, exact", "hra", "hra, orthogonal", "boft", "ia3", "road", "beft", "bitfit"];

    private static AdapterOptions Options(string method) => method switch
    {
        "oft" => new OftOptions { BlockSize = 4, NeumannTerms = 8 },
        "oft, exact" => new OftOptions { BlockSize = 0, BlockCount = 2, UseCayleyNeumann = false, ShareBlocks = true },
        "hra" => new HraOptions { Rank = 4 },
        "hra, orthogonal" => new HraOptions { Rank = 3, Orthogonalize = true },
        "boft" => new BoftOptions { BlockSize = 2 },
        "ia3" => new Ia3Options { FeedForwardModules = ["1"] },
        "road" => new RoadOptions { GroupSize = 2 },
        "beft" => new BeftOptions(),
        _ => new BitFitOptions(),
    };

    [Theory, MemberData(nameof(Methods))]
    public void Convolutions_with_groups_and_strides_do_the_same_before_and_after_merging(string method)
    {
        using var model = nn.Sequential(nn.Conv2d(4, 8, 3, stride: 2, padding: 1, dtype: ScalarType.Float64), nn.Conv2d(8, 12, (3, 1), groups: 2, dtype: ScalarType.Float64));
        var x = randn([2, 4, 9, 9], ScalarType.Float64);
        var before = model.call(x);
        using var peft = model.ApplyAdapter((TargetedOptions)Options(method) with { TargetModules = ["0", "1"] });
        if (method != "hra, orthogonal") model.call(x).Difference(before).ShouldBeLessThan(1e-12);
        peft.Shake();
        var adapted = model.call(x);
        adapted.Difference(before).ShouldBeGreaterThan(1e-3);
        peft.ShouldHaveRightGradients(() => model.call(x).square().mean());
        peft.MergeAndUnload();
        model.call(x).Difference(adapted).ShouldBeLessThan(1e-12);
    }

    [Theory]
    [InlineData("oft")]
    [InlineData("hra")]
    [InlineData("road")]
    [InlineData("ia3")]
    public void Lookups_do_the_same_before_and_after_merging(string method)
    {
        using var model = nn.Sequential(nn.Embedding(10, 8, dtype: ScalarType.Float64));
        var ids = randint(10, [3, 4]);
        var before = model.call(ids);
        var options = method == "ia3" ? new Ia3Options { FeedForwardModules = [] } : (TargetedOptions)Options(method);
        using var peft = model.ApplyAdapter(options with { TargetModules = ["0"] });
        model.call(ids).Difference(before).ShouldBeLessThan(1e-12);
        peft.Shake();
        var adapted = model.call(ids);
        peft.MergeAndUnload();
        model.call(ids).Difference(adapted).ShouldBeLessThan(1e-12);
    }

    [Fact]
    public void Dropped_blocks_turn_nothing_in_training()
    {
        using var model = nn.Sequential(nn.Linear(12, 12, hasBias: false));
        using var peft = model.ApplyAdapter(new OftOptions { TargetModules = ["0"], BlockSize = 3, Dropout = 0.5 });
        peft.Shake();
        var weight = model.get_parameter("0.weight")!;
        model.train();
        var seen = model.call(eye(12)).mm(linalg.inv(weight.t()));   // the rotation itself
        var still = Enumerable.Range(0, 4).Count(i => seen.narrow(0, i * 3, 3).narrow(1, i * 3, 3).Difference(eye(3)) < 1e-4);
        still.ShouldBe(2);
        model.eval();
        var whole = model.call(eye(12)).mm(linalg.inv(weight.t()));
        Enumerable.Range(0, 4).Count(i => whole.narrow(0, i * 3, 3).narrow(1, i * 3, 3).Difference(eye(3)) < 1e-4).ShouldBe(0);
    }

    [Fact]
    public void Sizes_that_do_not_fit_are_adjusted_by_OFT_and_refused_by_the_others_with_advice()
    {
        using var model = nn.Sequential(nn.Linear(30, 10));
        using (var peft = model.ApplyOft(blockSize: 8, targets: ["0"])) peft.Trainables.Single().Value.shape.ShouldBe([5, 15]);   // 6 and 10 are as near: the smaller
        Should.Throw<AdapterOptionsException>(() => model.ApplyBoft(blockSize: 8, targets: ["0"])).Message.ShouldContain("30 inputs");
        Should.Throw<AdapterOptionsException>(() => model.ApplyBoft(blockSize: 2, factors: 2, targets: ["0"])).Message.ShouldContain("butterfly");
        Should.Throw<AdapterOptionsException>(() => model.ApplyRoad(groupSize: 4, targets: ["0"])).Message.ShouldContain("10 outputs");
        using var groups = nn.Sequential(nn.Conv1d(4, 12, 1, groups: 2));
        Should.Throw<AdapterOptionsException>(() => groups.ApplyRoad(groupSize: 4, targets: ["0"])).Message.ShouldContain("6 outputs per group");
        Should.Throw<AdapterOptionsException>(() => new OftOptions { BlockCount = 4 }.Validate()).Message.ShouldContain("4 and 32");
        PeftModel.Of(model).ShouldBeNull();
    }
}
