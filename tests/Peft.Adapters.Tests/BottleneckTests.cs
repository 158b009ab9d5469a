using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Adapters.Tests;

/// <summary>Bottleneck adapters against their formulas (the Adapters library's, worked out here once more) in float64.</summary>
public sealed class BottleneckTests : IDisposable
{
    private const double Exact = 1e-9;   // the same operations in another order, in float64

    private readonly DisposeScope scope = NewDisposeScope();
    private readonly Tensor ids;

    public BottleneckTests()
    {
        manual_seed(5);
        ids = randint(TinyTransformer.Vocabulary, [3, 6]);
    }

    public void Dispose() => scope.Dispose();

    private static readonly Dictionary<string, BottleneckOptions> Kinds = new()
    {
        ["houlsby"] = BottleneckOptions.Houlsby,
        ["pfeiffer"] = BottleneckOptions.Pfeiffer,
        ["parallel"] = BottleneckOptions.Parallel,
        ["scaled parallel"] = BottleneckOptions.ScaledParallel with { AfterAttention = true },
        ["compacter"] = BottleneckOptions.Compacter,
        ["compacter++"] = BottleneckOptions.CompacterPlusPlus,
        ["compacter, all factors whole"] = BottleneckOptions.Compacter with { SharesRule = false, FactorizesWeights = false, HypercomplexBias = false },
        ["compacter, all factors shared and low"] = BottleneckOptions.Compacter with { SharesWeights = true, FactorizesRule = true, HypercomplexRank = 2 },
        ["norm before"] = BottleneckOptions.Pfeiffer with { OwnNormBefore = true },
        ["norm after"] = BottleneckOptions.Pfeiffer with { OwnNormAfter = true },
        ["norm after the residual"] = BottleneckOptions.Houlsby with { OwnNormAfter = true, ResidualBeforeOwnNorm = true },
        ["residual after addition"] = BottleneckOptions.Pfeiffer with { Residual = BottleneckResidual.AfterAddition },
        ["residual after the norm"] = BottleneckOptions.Pfeiffer with { Residual = BottleneckResidual.AfterNorm },
        ["gate"] = BottleneckOptions.Pfeiffer with { UseGating = true },
        ["scale per channel"] = BottleneckOptions.Houlsby with { Scaling = BottleneckScaling.PerChannel, Initialization = "houlsby" },
        ["adapter+"] = BottleneckOptions.AdapterPlus with { StochasticDepth = 0 },
    };

    public static TheoryData<string, string> All
    {
        get
        {
            var all = new TheoryData<string, string>();
            foreach (var kind in Kinds.Keys)
            {
                all.Add(kind, "llama");
                if (Kinds[kind].NormAfter) all.Add(kind, "bert");   // where the model norms after the adapter, it does so in any case
            }
            return all;
        }
    }

    [Theory, MemberData(nameof(All))]
    public void Outputs_and_gradients_are_those_of_the_formula(string kind, string type)
    {
        var options = Small(Kinds[kind]);
        using var model = new TinyTransformer(type);
        using var peft = model.ApplyAdapter(options);
        peft.Shake();
        model.call(ids).Difference(model.ByFormula(ids, ByFormula(peft, options))).ShouldBeLessThan(Exact);
        peft.ShouldHaveRightGradients(() => model.call(ids).square().mean());
        peft.Unreached.ShouldBeEmpty();
        peft.Trainables.ShouldAllBe(tensor => tensor.Value.grad!.abs().max().item<double>() > 0);
    }

    [Theory]
    [InlineData("llama")]
    [InlineData("bert")]
    public void An_adapter_whose_second_projection_starts_at_zero_changes_nothing(string type)
    {
        using var model = new TinyTransformer(type);
        var before = model.call(ids);
        using var peft = model.ApplyParallelAdapter();
        model.call(ids).Difference(before).ShouldBe(0);
        peft.Shake();
        model.call(ids).Difference(before).ShouldBeGreaterThan(1e-3);
        peft.Unload();
        model.call(ids).Difference(before).ShouldBe(0);
    }

    [Theory, MemberData(nameof(All))]
    public void Saved_and_loaded_it_does_the_same(string kind, string type)
    {
        using var model = new TinyTransformer(type);
        using var folder = new TemporaryFolder();
        using var peft = model.ApplyAdapter(Small(Kinds[kind]) with { ReductionFactor = new ReductionFactor(new Dictionary<string, double> { ["default"] = 2 }) });
        peft.Shake();
        var before = model.call(ids);
        peft.SaveAdapter(folder);
        peft.Unload();
        using var again = model.ApplyAdapter(folder);
        model.call(ids).Difference(before).ShouldBe(0);
        AdapterConfig.Write(again.Find("default").Options).ShouldBe(AdapterConfig.Write(AdapterConfig.Read(folder)));
    }

    [Fact]
    public void Layers_are_left_out_for_good_or_for_a_time()
    {
        using var model = new TinyTransformer("llama");
        using var peft = model.ApplyAdapter(Small(BottleneckOptions.Houlsby) with { LeaveOut = [0] });
        peft.Find("default").Layers.ShouldAllBe(layer => layer.Target.Layer == 1);
        peft.Shake();
        var options = Small(BottleneckOptions.Houlsby);
        var formula = ByFormula(peft, options);
        Tensor OnlyAt(int[] layers) => model.ByFormula(ids, (layer, attention, h, r, norm) => layers.Contains(layer) ? formula(layer, attention, h, r, norm) : h + r);
        model.call(ids).Difference(OnlyAt([1])).ShouldBeLessThan(Exact);
        using (peft.WithoutAdaptersIn(1)) model.call(ids).Difference(OnlyAt([])).ShouldBeLessThan(Exact);
        model.call(ids).Difference(OnlyAt([1])).ShouldBeLessThan(Exact);
    }

    [Fact]
    public void At_modules_of_a_model_that_is_no_transformer_it_stands_after_them_or_beside_them()
    {
        using var model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 4));
        var x = randn(5, 6);
        using (var peft = model.ApplyBottleneckAdapter(reductionFactor: 2, targets: ["0"]))
        {
            peft.Shake();
            var state = peft.StateOf(peft.Find("default"));
            Tensor W(string name) => state[$"base_model.model.0.{name}"];
            using var off = peft.WithoutAdapters();
            var h = ((nn.Module<Tensor, Tensor>)model.named_children().First().module).call(x);
            off.Dispose();
            var adapted = h + nn.functional.linear(nn.functional.linear(h, W("adapter_down.0.weight"), W("adapter_down.0.bias")).relu(), W("adapter_up.weight"), W("adapter_up.bias"));
            var last = model.get_parameter("2.weight")!;
            model.call(x).Difference(nn.functional.linear(adapted.relu(), last, model.get_parameter("2.bias"))).ShouldBeLessThan(1e-5);
        }
        using var beside = model.ApplyParallelAdapter(targets: ["2"]);
        beside.Find("default").Tensors.Single(pair => pair.Tensor.Name == "adapter_down.0.weight").Tensor.Value.shape.ShouldBe([4, 8]);
        Should.Throw<TargetNotFoundException>(() => nn.Sequential(nn.Linear(2, 2)).ApplyHoulsbyAdapter()).Message.ShouldContain("Set TargetModules");
    }

    [Fact]
    public void Dropout_and_stochastic_depth_act_in_training_alone()
    {
        using var model = new TinyTransformer("llama");
        using var peft = model.ApplyAdapter(Small(BottleneckOptions.Pfeiffer) with { Dropout = 0.5, StochasticDepth = 0.5 });
        peft.Shake();
        model.eval();
        var still = model.call(ids);
        model.call(ids).Difference(still).ShouldBe(0);
        model.train();
        model.call(ids).Difference(still).ShouldBeGreaterThan(1e-3);
    }

    [Fact]
    public void It_runs_in_half_width_models_and_cannot_be_merged()
    {
        using var model = new TinyTransformer("bert");
        model.to(ScalarType.BFloat16);
        using var peft = model.ApplyAdapter(Small(BottleneckOptions.Pfeiffer));
        peft.Trainables.ShouldAllBe(tensor => tensor.Value.dtype == ScalarType.Float32);
        model.call(ids).dtype.ShouldBe(ScalarType.BFloat16);
        Should.Throw<NotMergeableException>(() => peft.Merge()).Message.ShouldContain("output.dense");
    }

    [Fact]
    public void Options_that_make_no_sense_are_refused_all_at_once()
    {
        var error = Should.Throw<AdapterOptionsException>(() => new BottleneckOptions { ReductionFactor = 0, NonLinearity = "sinus", Initialization = "xavier", Dropout = 1, NormAfter = false, NormBefore = false }.Validate());
        foreach (var value in new[] { "0", "sinus", "xavier", "Dropout", "NormAfter" }) error.Message.ShouldContain(value);
        using var model = new TinyTransformer("llama");
        Should.Throw<AdapterOptionsException>(() => model.ApplyAdapter(BottleneckOptions.Compacter)).Message.ShouldContain("HypercomplexSize 4");
    }

    private static BottleneckOptions Small(BottleneckOptions options) => options with { ReductionFactor = 2, HypercomplexSize = 2, RuleDeviation = 0.3 };

    /// <summary>What the Adapters library computes at a position, from its description: see <c>BnConfig</c> there.</summary>
    internal static Func<int, bool, Tensor, Tensor, Func<Tensor, Tensor>?, Tensor> ByFormula(PeftModel peft, BottleneckOptions options, string adapter = "default") => (layer, attention, h, r, norm) =>
    {
        Tensor Finish(Tensor value) => options.NormAfter ? (norm is null ? value + r : norm(value + r)) : value;
        var place = (attention, norm is null) switch { (true, true) => "self_attn.o_proj", (false, true) => "mlp.down_proj", (true, false) => "attention.output.dense", _ => "output.dense" };
        if (attention ? !options.AfterAttention : !options.AfterFeedForward) return norm is null ? h + r : norm(h + r);
        var state = peft.StateOf(peft.Find(adapter));
        Tensor? Find(string name) => state.GetValueOrDefault($"base_model.model.layer.{layer}.{place}.{name}") ?? state.GetValueOrDefault($"base_model.{name}");
        Tensor Norm(Tensor x, string name) => Find($"{name}.weight") is { } weight ? nn.functional.layer_norm(x, [x.shape[^1]], weight, Find($"{name}.bias")!) : x;

        Tensor Project(Tensor x, string name, string position)
        {
            if (!options.IsHypercomplex) return nn.functional.linear(x, Find($"{name}.weight")!, Find($"{name}.bias"));
            var rule = options.FactorizesRule ? Find("phm_rule_left")!.matmul(Find("phm_rule_right")!) : Find("phm_rule") ?? Find($"{name}.phm_rule")!;
            var factor = !options.FactorizesWeights ? Find($"{name}.W")!
                : options.SharesWeights ? Find($"W_{position}_left")!.matmul(Find($"W_{position}_right")!) : Find($"{name}.W_left")!.matmul(Find($"{name}.W_right")!);
            var matrix = Enumerable.Range(0, (int)rule.shape[0]).Select(i => rule[i].kron(factor[i])).Aggregate((a, b) => a + b);
            return x.matmul(matrix) + (Find($"{name}.b") ?? zeros(1, rule.dtype));
        }

        Tensor Change(Tensor x)
        {
            var down = Project(Norm(x, "adapter_norm_before"), options.OwnNormBefore ? "adapter_down.1" : "adapter_down.0", "down");
            var active = options.NonLinearity switch { "relu" => down.relu(), "swish" => down * down.sigmoid(), _ => nn.functional.gelu(down) };
            var up = Project(active, "adapter_up", "up") * (Find("scaling") ?? tensor(options.Scaling.Factor, ScalarType.Float64));
            return options.UseGating ? up * nn.functional.linear(x, Find("gate.weight")!, Find("gate.bias")).sigmoid().mean([1], keepdim: true) : up;
        }

        if (options.IsParallel) return Finish(Norm(Change(r), "adapter_norm_after") + h);
        var (x, residual) = (h, h);
        if (options.NormBefore)
        {
            x = h + r;
            if (options.Residual == BottleneckResidual.AfterAddition) residual = x;
            if (norm is not null) x = norm(x);
            if (options.Residual == BottleneckResidual.AfterNorm) residual = x;
        }
        return Finish(options.ResidualBeforeOwnNorm ? Norm(Change(x) + residual, "adapter_norm_after") : Norm(Change(x), "adapter_norm_after") + residual);
    };
}
