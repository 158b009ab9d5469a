using Peft.Lora;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Lora.Tests;

public sealed class LoraTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();
    private readonly UserModel model = new();
    private readonly Tensor x;
    private readonly TemporaryFolder folder = new();

    public LoraTests()
    {
        manual_seed(5);
        x = randn(64, 6);
    }

    public void Dispose()
    {
        model.Dispose();
        scope.Dispose();
        folder.Dispose();
    }

    private static LoraOptions On(LoraInitialization initialization, int rank = 2) => new()
    {
        Rank = rank, Alpha = 3, Initialization = initialization,
        TargetModules = initialization == LoraInitialization.LoraGa ? ["enter", "0", "2"] : ["enter", "0", "2", "leave"],   // twice LoRA-GA's rank must fit
    };

    public static TheoryData<string> QuietStarts => ["true", "gaussian", "orthogonal", "pissa", "pissa_niter_4", "olora", "corda", "lora_ga"];

    [Theory, MemberData(nameof(QuietStarts))]
    public void A_start_leaves_the_model_as_it_is(string name)
    {
        var before = model.call(x);
        using var peft = model.ApplyAdapter(On(Named(name)));
        if (name == "corda") peft.InitializeCorda([x], sample => model.call(sample));
        if (name == "lora_ga") peft.InitializeLoraGa([x], Loss);
        model.call(x).Difference(before).ShouldBeLessThan(1e-5f);   // float32
    }

    [Theory]
    [InlineData("pissa")]
    [InlineData("olora")]
    [InlineData("corda")]
    [InlineData("lora_ga")]
    public void An_adapter_that_began_as_a_part_of_the_weight_is_saved_as_a_plain_one_of_twice_the_rank(string name)
    {
        using var peft = model.ApplyAdapter(On(Named(name)));
        if (name == "corda") peft.InitializeCorda([x], sample => model.call(sample));
        if (name == "lora_ga") peft.InitializeLoraGa([x], Loss);
        peft.Shake();
        var trained = model.call(x);
        peft.SaveAsPlainLora(folder);
        peft.Unload();
        using var plain = model.ApplyAdapter(folder);
        ((LoraOptions)plain.Find("default").Options).Rank.ShouldBe(4);
        ((LoraOptions)plain.Find("default").Options).Initialization.ShouldBe(LoraInitialization.Default);
        model.call(x).Difference(trained).ShouldBeLessThan(1e-4f);   // float32
    }

    [Fact]
    public void Orthogonal_factors_are_not_zero_and_need_an_even_rank()
    {
        using var peft = model.ApplyAdapter(On(LoraInitialization.Orthogonal));
        peft.Trainables.ShouldAllBe(tensor => tensor.Value.abs().max().item<float>() > 1e-3f);
        peft.Dispose();
        Should.Throw<AdapterOptionsException>(() => model.ApplyAdapter(On(LoraInitialization.Orthogonal, rank: 3))).Message.ShouldContain("even");
    }

    [Fact]
    public void EVA_takes_the_principal_directions_of_the_inputs_and_shares_out_the_ranks()
    {
        var before = model.call(x);
        using var peft = model.ApplyAdapter(On(LoraInitialization.Default));
        peft.InitializeEva([x], sample => model.call(sample));
        var layers = peft.Find("default").Layers.OfType<LoraLayer>().ToList();
        layers.Sum(layer => layer.Rank).ShouldBe(2 * layers.Count);

        // The first module sees x itself: its rows are the leading eigenvectors of the covariance, up to sign.
        var centred = x - x.mean([0]);
        var (_, vectors) = linalg.eigh(centred.t().mm(centred));
        var enter = layers.Single(layer => layer.Target.Path == "enter");
        for (var i = 0; i < enter.Rank; i++)
            enter.A[i].dot(vectors[TensorIndex.Colon, 5 - i]).abs().item<float>().ShouldBe(1, 1e-3);
        using (no_grad()) model.call(x).Difference(before).ShouldBe(0);

        peft.Shake();
        var trained = model.call(x);
        peft.SaveAdapter(folder);
        peft.Unload();
        using var loaded = model.ApplyAdapter(folder);   // ranks and alphas of the pattern
        model.call(x).Difference(trained).ShouldBeLessThan(1e-5f);
    }

    // The values of Hugging Face PEFT: A divided by the roots of the singular values, and alpha in proportion to the rank.
    [Theory, InlineData(true), InlineData(false)]
    public void EVA_whitens_and_scales_as_it_is_told(bool adjust)
    {
        using var peft = model.ApplyAdapter(On(LoraInitialization.Default) with { UseRslora = true, RankPattern = new Dictionary<string, int> { ["enter"] = 3 } });
        peft.InitializeEva([x], sample => model.call(sample), new EvaOptions { Whiten = true, AdjustScaling = adjust });
        var layers = peft.Find("default").Layers.OfType<LoraLayer>().ToList();
        layers.Sum(layer => layer.Rank).ShouldBe(2 * layers.Count + 1);
        foreach (var layer in layers)
        {
            var alpha = adjust ? 3.0 * layer.Rank / (layer.Target.Path == "enter" ? 3 : 2) : 3;
            layer.Scaling.ShouldBe(alpha / Math.Sqrt(layer.Rank), 1e-9);
        }
        var enter = layers.Single(layer => layer.Target.Path == "enter");
        var values = linalg.svdvals(x - x.mean([0]));
        enter.A.norm(1).Difference(values[..enter.Rank].sqrt().reciprocal()).ShouldBeLessThan(1e-3f);
        peft.Shake();
        var trained = model.call(x);
        peft.SaveAdapter(folder);
        peft.Unload();
        using var loaded = model.ApplyAdapter(folder);
        model.call(x).Difference(trained).ShouldBeLessThan(1e-5f);
    }

    [Fact]
    public void CorDA_can_learn_the_samples_or_keep_them()
    {
        using var peft = model.ApplyAdapter(On(LoraInitialization.Corda));
        float Explained(bool preserve)
        {
            peft.InitializeCorda([x], sample => model.call(sample), preserve);
            var layer = peft.Find("default").Layers.OfType<LoraLayer>().Single(each => each.Target.Path == "enter");
            return x.mm(layer.MatrixB.mm(layer.MatrixA).t()).norm().item<float>();
        }
        Explained(preserve: false).ShouldBeGreaterThan(2 * Explained(preserve: true));
    }

    [Fact]
    public void LoRA_GA_takes_the_mean_gradient_of_all_uses_and_leaves_the_model_as_it_was()
    {
        using var peft = model.ApplyAdapter(On(LoraInitialization.LoraGa));
        var before = model.named_parameters().Select(pair => (pair.parameter.requires_grad, Value: pair.parameter.detach().clone())).ToList();
        peft.InitializeLoraGa([x[..20], x[20..]], Loss);
        foreach (var ((_, parameter), (requires, value)) in model.named_parameters().Zip(before))
        {
            parameter.requires_grad.ShouldBe(requires);
            (parameter.grad is null).ShouldBeTrue();
            parameter.Difference(value).ShouldBe(0);
        }
        model.training.ShouldBeTrue();
        // By hand: the gradient of the mean of both losses.
        var layer = peft.Find("default").Layers.OfType<LoraLayer>().Single(each => each.Target.Path == "enter");
        var weight = layer.Target.Storage.Parameter!;
        weight.requires_grad = true;
        using (peft.WithoutAdapters()) (Loss(x[..20]) + Loss(x[20..])).div(2).backward();
        var (u, s, vt) = linalg.svd(weight.grad!, fullMatrices: false);
        weight.requires_grad = false;
        for (var i = 0; i < 2; i++)
        {
            // Unit vectors, up to their sign: those of A are the first, those of B the next, times the singular values and out^(1/4)/4.
            layer.MatrixA[i].dot(vt[i]).abs().item<float>().ShouldBe(1, 1e-3f);
            var b = layer.MatrixB.select(1, i);
            b.norm().item<float>().ShouldBe(s[2 + i].item<float>() * MathF.Pow(layer.Target.Out, 0.25f) / 4, 1e-3f * s[0].item<float>());
            (b.dot(u.select(1, 2 + i)).abs() / b.norm()).item<float>().ShouldBe(1, 1e-3f);
        }
    }

    [Fact]
    public void LoRA_GA_without_what_it_needs_is_refused_and_changes_nothing()
    {
        using (var plain = model.ApplyAdapter(On(LoraInitialization.Default)))
            Should.Throw<AdapterOptionsException>(() => plain.InitializeLoraGa([x], Loss)).Message.ShouldContain("LoraGa");
        using (var wide = model.ApplyAdapter(On(LoraInitialization.LoraGa, rank: 7)))
            Should.Throw<AdapterOptionsException>(() => wide.InitializeLoraGa([x], Loss)).Message.ShouldContain("twice the rank");
        using var peft = model.ApplyAdapter(On(LoraInitialization.LoraGa));
        var before = model.call(x);
        Should.Throw<AdapterOptionsException>(() => peft.InitializeLoraGa(Array.Empty<Tensor>(), Loss)).Message.ShouldContain("samples");
        Should.Throw<AdapterOptionsException>(() => peft.InitializeLoraGa([x], sample => sample.mean())).Message.ShouldContain("scalar");
        Should.Throw<InvalidOperationException>(() => peft.InitializeLoraGa([x], _ => throw new InvalidOperationException("stop")));
        model.call(x).Difference(before).ShouldBe(0);
        model.parameters().ShouldAllBe(parameter => !parameter.requires_grad);
        peft.Merge();
        Should.Throw<PeftException>(() => peft.InitializeLoraGa([x], Loss)).Message.ShouldContain("Unmerge");
        Should.Throw<AdapterOptionsException>(() => (On(LoraInitialization.Pissa) with { LoraGa = new LoraGaOptions() }).Validate()).Message.ShouldContain("lora_ga");
        Should.Throw<AdapterOptionsException>(() => (On(LoraInitialization.LoraGa) with { LoraGa = new LoraGaOptions { StableGamma = 0 } }).Validate()).Message.ShouldContain("StableGamma");
    }

    // As many components as inputs have elements: nothing is cut off between batches, so that their order and sizes do not matter.
    [Fact]
    public void EVA_finds_the_same_directions_and_ranks_in_batches_as_in_one_pass()
    {
        List<(string Path, Tensor A)> Factors(params Tensor[] batches)
        {
            using var peft = model.ApplyAdapter(On(LoraInitialization.Default, rank: 4));
            peft.InitializeEva(batches, sample => model.call(sample), new EvaOptions { Rho = 2, Tau = 2 });   // no cosine is 2: all batches are taken
            return [.. peft.Find("default").Layers.OfType<LoraLayer>().Select(layer => (layer.Target.Path, layer.A.detach().clone()))];
        }
        var (all, batches) = (Factors(x), Factors(x[..20], x[20..33], x[33..]));
        batches.Select(each => each.Path).ShouldBe(["enter", "middle.0", "middle.2", "list.0", "leave"], ignoreOrder: true);
        foreach (var ((path, whole), (_, parts)) in all.Zip(batches))
        {
            parts.shape.ShouldBe(whole.shape, path);
            ((whole * parts).sum(dim: 1).abs() - 1).abs().max().item<float>().ShouldBeLessThan(1e-3f, path);   // unit rows, up to sign; neighbours of like size are told apart less well
        }
    }

    [Fact]
    public void CorDA_finds_the_same_part_of_the_weight_in_batches_as_in_one_pass()
    {
        List<Tensor> Parts(params Tensor[] batches)
        {
            using var peft = model.ApplyAdapter(On(LoraInitialization.Corda));
            peft.InitializeCorda(batches, sample => model.call(sample));
            return [.. peft.Find("default").Layers.OfType<LoraLayer>().Select(layer => layer.MatrixB.mm(layer.MatrixA).detach())];
        }
        var (all, batches) = (Parts(x), Parts(x[..20], x[20..33], x[33..]));
        batches.Count.ShouldBe(5);
        foreach (var (whole, parts) in all.Zip(batches))
            whole.Difference(parts).ShouldBeLessThan(1e-4f * whole.abs().max().item<float>());   // float32 sums in another order
    }

    [Fact]
    public void Components_that_come_in_batches_are_those_of_all_rows_at_once()
    {
        using var pca = new IncrementalPca(6);
        foreach (var rows in new[] { x[..7], x[7..30], x[30..] }) pca.Add(rows + 3, tolerance: 2);   // far from the origin: the mean is followed
        var (_, values, vectors) = linalg.svd(x - x.mean([0]), fullMatrices: false);
        ((pca.Components * vectors).sum(dim: 1).abs() - 1).abs().max().item<float>().ShouldBeLessThan(1e-3f);
        pca.ExplainedVarianceRatios.Difference(values.square() / values.square().sum()).ShouldBeLessThan(1e-4f);
        pca.SingularValues.Difference(values).ShouldBeLessThan(1e-3f);
    }

    [Fact]
    public void Dropout_acts_in_training_only()
    {
        using var peft = model.ApplyAdapter(new LoraOptions { Rank = 2, Dropout = 0.5, TargetModules = ["enter"] });
        peft.Shake();
        model.train();
        model.call(x).Difference(model.call(x)).ShouldBeGreaterThan(1e-4f);
        model.eval();
        model.call(x).Difference(model.call(x)).ShouldBe(0);
    }

    [Fact]
    public void Adapters_of_a_bfloat16_model_are_float32()
    {
        using var half = new UserModel();
        half.to(ScalarType.BFloat16);
        var input = x.to_type(ScalarType.BFloat16);
        using var peft = half.ApplyLora(rank: 2);
        peft.Trainables.ShouldAllBe(tensor => tensor.Value.dtype == ScalarType.Float32);
        peft.Shake();
        var output = half.call(input);
        output.dtype.ShouldBe(ScalarType.BFloat16);
        output.to_type(ScalarType.Float32).sum().backward();
        peft.Trainables.ShouldAllBe(tensor => tensor.Value.grad!.dtype == ScalarType.Float32);
        peft.Merge();
        half.call(input).to_type(ScalarType.Float32).Difference(output.to_type(ScalarType.Float32)).ShouldBeLessThan(0.1f);   // 8 bits of mantissa
    }

    [Fact]
    public void A_saved_adapter_replaces_one_that_serves_without_touching_the_model()
    {
        using var peft = model.ApplyAdapter(new LoraOptions { Rank = 4, Alpha = 8, TargetModules = ["enter"] });
        peft.Shake();
        var other = model.call(x);
        peft.SaveAdapter(folder);
        peft.Unload();
        var bits = model.Bits();
        using var serving = model.ApplyLora(rank: 2, targets: new[] { "enter", "leave" });
        serving.Shake();
        serving.HotSwap("default", folder);
        model.call(x).Difference(other).ShouldBeLessThan(1e-5f);
        using var narrow = new UserModel();
        using var few = narrow.ApplyLora(rank: 2, targets: new[] { "leave" });   // other modules
        few.HotSwap("default", folder);
        few.Status().Select(row => row.Path).ShouldBe(["enter"]);
        model.ShouldHaveBits(bits);
    }

    [Fact]
    public void A_rank_is_reduced_to_the_best_approximation()
    {
        using var peft = model.ApplyAdapter(new LoraOptions { Rank = 4, Alpha = 8, TargetModules = ["0"] });
        peft.Shake();
        peft.ReduceRank("default", "small", 2);
        var (full, small) = (Delta(peft, "default"), Delta(peft, "small"));
        var (_, s, _) = linalg.svd(full, fullMatrices: false);
        (full - small).norm().item<float>().ShouldBe(s.narrow(0, 2, s.numel() - 2).norm().item<float>(), 1e-4);   // Eckart and Young
        Should.Throw<AdapterOptionsException>(() => peft.Combine("mix", [("default", 1), ("small", 1)], new CombinationOptions { Kind = Combination.Linear })).Message.ShouldContain("4, 2");
        Should.Throw<AdapterOptionsException>(() => peft.Combine("mix", [("default", 1)], new CombinationOptions { Kind = Combination.Ties })).Message.ShouldContain("Density");
    }

    [Fact]
    public void A_combination_that_fails_adds_nothing()
    {
        using var peft = model.ApplyLora(rank: 2).Shake();
        peft.Add("other", new LoraOptions { Rank = 3 });
        Should.Throw<AdapterOptionsException>(() => peft.Combine("both", [("default", 1), ("other", 1)], new CombinationOptions { Kind = Combination.Linear })).Message.ShouldContain("equal ranks");
        peft.Adapters.Keys.ShouldBe(["default", "other"]);
        peft.Combine("both", [("default", 1), ("other", 1)], new CombinationOptions { Kind = Combination.Cat });
        peft.Find("both").Tensors.ShouldAllBe(pair => !pair.Tensor.Value.requires_grad);   // not active
    }

    [Fact]
    public void Files_that_do_not_fit_are_refused_with_all_that_is_wrong_and_the_model_is_unchanged()
    {
        var bits = model.Bits();
        using (var peft = model.ApplyLora(rank: 2, targets: new[] { "enter" })) peft.SaveAdapter(folder);
        var config = folder[AdapterConfig.FileName];
        File.WriteAllText(config, File.ReadAllText(config).Replace("\"enter\"", "\"leave\"", StringComparison.Ordinal));
        var error = Should.Throw<AdapterMismatchException>(() => model.ApplyAdapter(folder));
        error.Message.ShouldContain("missing (base_model.model.leave.lora_A.weight");
        error.Message.ShouldContain("unexpected (base_model.model.enter.lora_A.weight");
        PeftModel.Of(model).ShouldBeNull();

        File.WriteAllText(config, """{"peft_type":"NO_SUCH"}""");
        Should.Throw<AdapterOptionsException>(() => model.ApplyAdapter(folder)).Message.ShouldContain("LORA");
        File.WriteAllText(config, "{");
        Should.Throw<Peft.Checkpoints.CheckpointException>(() => model.ApplyAdapter(folder)).Message.ShouldContain(config);
        model.ShouldHaveBits(bits);
    }

    [Fact]
    public void The_first_key_of_a_pattern_that_matches_the_end_of_a_path_decides()
    {
        var options = new LoraOptions
        {
            Rank = 8, Alpha = 16, TargetModules = ["enter", "0", "1", "leave"],
            RankPattern = new Dictionary<string, int> { ["middle.0"] = 1, ["0"] = 2, [@"list\..*"] = 3, ["ente"] = 5, ["nter"] = 6 },
            AlphaPattern = new Dictionary<string, double> { [@"^list\..*"] = 2, ["0|leave"] = 0.5 },
        };
        (string Path, int Rank, double Scaling)[] expected =
        [
            ("enter", 8, 16.0 / 8), ("middle.0", 1, 0.5 / 1), ("list.0", 2, 2.0 / 2), ("list.1", 3, 2.0 / 3), ("leave", 8, 0.5 / 8),
        ];
        void ShouldBeAsExpected(PeftModel peft) => peft.Find("default").Layers.OfType<LoraLayer>().Select(layer => (layer.Target.Path, layer.Rank, layer.Scaling)).ShouldBe(expected, ignoreOrder: true);

        using (var peft = model.ApplyAdapter(options))
        {
            ShouldBeAsExpected(peft);
            peft.SaveAdapter(folder);
        }
        using var again = model.ApplyAdapter(folder);   // the file keeps the order of the keys
        ShouldBeAsExpected(again);
    }

    [Fact]
    public void All_errors_of_options_come_at_once()
    {
        var error = Should.Throw<AdapterOptionsException>(() => model.ApplyAdapter(new LoraOptions { Rank = 0, Dropout = 1, Bias = "some" }));
        error.Message.ShouldContain("Rank must be at least 1, but was 0.");
        error.Message.ShouldContain("Dropout");
        error.Message.ShouldContain("'some'");
    }

    [Fact]
    public void A_configuration_of_the_method_alone_has_every_default_and_unknown_fields_are_kept()
    {
        var options = (LoraOptions)AdapterConfig.Parse("""{"peft_type":"LORA","new_field":{"a":1}}""");
        (options.Rank, options.Alpha, options.Bias, options.Initialization).ShouldBe((8, 8.0, "none", LoraInitialization.Default));
        AdapterConfig.Write(options).ShouldContain("\"new_field\": {");
        Should.Throw<AdapterOptionsException>(() => ((LoraOptions)AdapterConfig.Parse("""{"peft_type":"LORA","megatron_config":{}}""")).Validate()).Message.ShouldContain("megatron_config");
    }

    private static Tensor Delta(PeftModel peft, string name) => peft.Find(name).Layers.OfType<LoraLayer>().First().Delta();

    private static LoraInitialization Named(string name) => name switch
    {
        "true" => LoraInitialization.Default,
        "gaussian" => LoraInitialization.Gaussian,
        "orthogonal" => LoraInitialization.Orthogonal,
        "pissa" => LoraInitialization.Pissa,
        "pissa_niter_4" => LoraInitialization.PissaByIterations(4),
        "olora" => LoraInitialization.Olora,
        "lora_ga" => LoraInitialization.LoraGa,
        _ => LoraInitialization.Corda,
    };

    private Tensor Loss(Tensor sample) => model.call(sample).square().mean();
}
