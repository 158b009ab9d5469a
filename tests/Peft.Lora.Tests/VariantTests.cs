using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Lora.Tests;

/// <summary>Variants of the LoRA layer, where training or a start shows more than the cases of the oracle.</summary>
public sealed class VariantTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();
    private readonly UserModel model = new();
    private readonly TemporaryFolder folder = new();
    private readonly Tensor x;

    public VariantTests()
    {
        manual_seed(21);
        x = randn(16, 6);
        model.eval();
    }

    public void Dispose()
    {
        model.Dispose();
        scope.Dispose();
        folder.Dispose();
    }

    private static readonly LoraOptions Plain = new() { Rank = 2, Alpha = 3, TargetModules = ["enter", "0", "2"] };

    private static LoraOptions Variant(string name) => name switch
    {
        "Kasa" => Plain with { Kasa = new() },
        "BdLora" => Plain with { BdLora = new() { Blocks = 2, BlocksInA = ["0", "enter"], BlocksInB = ["2"] } },
        "Velora" => Plain with { Velora = new() { Groups = 3 } },
        _ => Plain with { Monteclora = new() { Samples = 3 } },
    };

    [Theory]
    [InlineData("Kasa"), InlineData("BdLora"), InlineData("Velora"), InlineData("Monteclora")]
    public void A_trained_variant_is_a_plain_LoRA_to_whoever_reads_it(string name)
    {
        var bits = model.Bits();
        using var peft = model.ApplyAdapter(Variant(name));
        peft.Shake();
        var output = model.call(x);
        peft.SaveAsPlainLora(folder);
        peft.Combine("mix", [("default", 1)], new CombinationOptions { Kind = Combination.Cat });
        peft.Activate("mix");
        model.call(x).Difference(output).ShouldBeLessThan(1e-5f);   // float32

        peft.Unload();
        model.ShouldHaveBits(bits);
        using var plain = model.ApplyAdapter(folder);
        ((LoraOptions)plain.Find("default").Options).Variants.ShouldBeEmpty();
        plain.Find("default").Tensors.ShouldAllBe(pair => pair.Key.EndsWith("lora_A.weight", StringComparison.Ordinal) || pair.Key.EndsWith("lora_B.weight", StringComparison.Ordinal));
        model.call(x).Difference(output).ShouldBeLessThan(1e-5f);
    }

    // As in Hugging Face PEFT, the updates of GLoRA adapters are those of the module's own weight and bias.
    [Fact]
    public void Two_GLoRA_adapters_add_up()
    {
        var before = model.call(x);
        var options = new GloraOptions { Rank = 2, TargetModules = ["enter"], InitWeights = false };
        using var peft = new PeftModel(model);
        peft.Add("a", options);
        peft.Add("b", options);
        peft.Shake();
        Tensor Update(params string[] names)
        {
            peft.Activate(names);
            return Entered() - Base();
        }
        var (a, b, both) = (Update("a"), Update("b"), Update("a", "b"));
        both.Difference(a + b).ShouldBeLessThan(1e-5f * both.abs().max().item<float>());
        var forward = model.call(x);
        forward.Difference(before).ShouldBeGreaterThan(1e-2f);
        peft.Merge();
        model.call(x).RelativeDifference(forward).ShouldBeLessThan(1e-5f);

        Tensor Entered() => ((nn.Module<Tensor, Tensor>)model.named_children().Single(pair => pair.name == "enter").module).call(x);
        Tensor Base()
        {
            using var off = peft.WithoutAdapters();
            return Entered();
        }
    }

    [Fact]
    public void KaSA_begins_as_the_weights_best_approximation_without_the_ranks_smallest_singular_values()
    {
        using var peft = model.ApplyAdapter(Variant("Kasa"));
        var (_, before, _) = linalg.svd(model.get_parameter("enter.weight")!.detach().clone(), fullMatrices: false);
        peft.Merge();
        var (_, after, _) = linalg.svd(model.get_parameter("enter.weight")!.detach(), fullMatrices: false);
        after.narrow(0, 0, 4).Difference(before.narrow(0, 0, 4)).ShouldBeLessThan(1e-5f);
        after.narrow(0, 4, 2).max().item<float>().ShouldBeLessThan(1e-5f);
    }

    [Fact]
    public void KaSA_draws_its_factors_to_orthonormality_in_training_alone()
    {
        using var peft = model.ApplyAdapter(Plain with { TargetModules = ["enter"], Kasa = new() { Beta = 0.5, Gamma = 0.25 } });
        peft.Shake();
        peft.Penalty().ShouldBeNull();
        model.train();
        var (a, b, values) = (Value(peft, "lora_A.weight"), Value(peft, "lora_B.weight"), Value(peft, "lora_diag"));
        var expected = 0.5 * values.square().sum() + 0.25 * ((a.mm(a.t()) - eye(2)).norm() + (b.t().mm(b) - eye(2)).norm());
        peft.Penalty()!.item<float>().ShouldBe(expected.item<float>(), 1e-5);
    }

    [Fact]
    public void The_parts_of_a_model_need_their_own_blocks_of_BDLoRA_alone()
    {
        using var peft = model.ApplyAdapter(Plain with { TargetModules = ["enter", "leave", "middle.0"], BdLora = new() { Blocks = 2, BlocksInA = ["enter"], BlocksInB = ["0"], MatchStrict = false } });
        peft.Shake();
        var layers = peft.Find("default").Layers.OfType<LoraLayer>().ToDictionary(layer => layer.Target.Path);
        layers["enter"].A.shape.Concat(layers["enter"].B.shape).ShouldBe([2L, 3, 8L, 2]);
        layers["middle.0"].A.shape.Concat(layers["middle.0"].B.shape).ShouldBe([2L, 8, 8L, 1]);
        layers["leave"].A.shape.Concat(layers["leave"].B.shape).ShouldBe([2L, 8, 3L, 2]);   // named by neither
        layers["enter"].MatrixA.Difference(block_diag([.. layers["enter"].A.detach().chunk(2)])).ShouldBe(0);
        layers["middle.0"].MatrixB.Difference(block_diag([.. layers["middle.0"].B.detach().chunk(2)])).ShouldBe(0);
    }

    // One group per element makes the projection exact, so that the gradient is LoRA's own.
    [Theory]
    [InlineData(6, true), InlineData(3, false), InlineData(4, false)]
    public void VeLoRA_learns_from_inputs_projected_on_the_mean_of_their_groups(int groups, bool exact)
    {
        using var peft = model.ApplyAdapter(Plain with { TargetModules = ["enter"], Velora = new() { Groups = groups, Scale = 2 } });
        peft.Shake();
        Tensor[] Gradients()
        {
            foreach (var tensor in peft.Trainables) tensor.Value.grad = null;
            model.call(x).square().sum().backward();
            return [.. peft.Trainables.Select(tensor => tensor.Value.grad!.clone())];
        }
        var output = model.call(x);
        var plain = Gradients();
        model.train();
        model.call(x).Difference(output).ShouldBeLessThan(1e-6f);
        var approximate = Gradients();

        var size = (6 + groups - 1) / groups;
        var cut = nn.functional.pad(x, (0, groups * size - 6)).view(16, groups, size);
        var v = cut.mean([0L, 1L]);
        v /= v.norm();
        var projected = ((cut * v).sum(dim: -1, keepdim: true) * v).view(16, -1)[TensorIndex.Colon, TensorIndex.Slice(0, 6)] * 2;
        plain[1].Difference(approximate[1]).ShouldBeLessThan(1e-4f);   // B learns as ever
        if (exact) (plain[0] * 2).Difference(approximate[0]).ShouldBeLessThan(1e-4f);
        else (plain[0] * 2).Difference(approximate[0]).ShouldBeGreaterThan(1e-2f);
        Exact(peft, projected).Difference(approximate[0]).ShouldBeLessThan(1e-3f);
    }

    // The gradient of A in a layer whose output's gradient is taken at the true inputs, but that itself saw others.
    private Tensor Exact(PeftModel peft, Tensor seen)
    {
        var layer = peft.Find("default").Layers.OfType<LoraLayer>().Single();
        model.eval();
        Tensor? output = null;
        using var hook = new Hook(model, value => output = value.detach().requires_grad_(true));
        model.call(x).square().sum().backward();
        return (output!.grad!.mm(layer.B.detach()) * layer.Scaling).t().mm(seen);
    }

    private sealed class Hook : IDisposable
    {
        private readonly Action remove;

        public Hook(UserModel model, Func<Tensor, Tensor> replace)
        {
            var enter = (nn.Module<Tensor, Tensor>)model.named_children().Single(pair => pair.name == "enter").module;
            var hook = enter.register_forward_hook((_, _, output) => replace(output));
            remove = hook.remove;
        }

        public void Dispose() => remove();
    }

    [Fact]
    public void VeLoRAs_direction_follows_each_pass_or_stays_with_the_first_one()
    {
        foreach (var (kind, follows) in new[] { ("batch_average", true), ("batch_average_once", false), ("random", false) })
        {
            using var peft = model.ApplyAdapter(Plain with { TargetModules = ["enter"], Velora = new() { Groups = 2, Direction = kind } });
            model.train();
            model.call(x);
            var first = Value(peft, "lora_velora_embed").clone();
            first.norm().item<float>().ShouldBe(1, 1e-5);
            model.call(randn(16, 6));
            (Value(peft, "lora_velora_embed").Difference(first) > 1e-3f).ShouldBe(follows, kind);

            peft.SaveAdapter(folder);
            var saved = Value(peft, "lora_velora_embed").clone();
            peft.Unload();
            using var loaded = model.ApplyAdapter(folder);
            model.call(x * -1);
            (Value(loaded, "lora_velora_embed").Difference(saved) > 1e-3f).ShouldBe(follows, kind);
        }
    }

    [Fact]
    public void MonteCLoRA_adds_noise_of_its_variance_to_A_in_training_and_none_outside()
    {
        using var peft = model.ApplyAdapter(Plain with { TargetModules = ["enter"], Monteclora = new() { Samples = 1, NoiseScale = 0.01 } });
        peft.Shake();
        var layer = (MontecloraLayer)peft.Find("default").Layers.Single();
        model.call(x).Difference(model.call(x)).ShouldBe(0);
        model.train();
        // With one draw its share is 1: A's noise has deviation scale·√v, and the input eye(6) shows B·(A + noise).
        using var _ = no_grad();
        var noises = new List<Tensor>();
        var weight = model.get_parameter("enter.weight")!;
        var hidden = linalg.pinv(layer.B);
        for (var i = 0; i < 400; i++)
        {
            var enter = (nn.Module<Tensor, Tensor>)layer.Target.Module;
            var seen = enter.call(eye(6)) - model.get_parameter("enter.bias")! - weight.t();
            var noise = hidden.mm(seen.t() / layer.Scaling) - layer.A;
            noises.Add(noise / Value(peft, "lora_monteclora_sampler.gaussian_var_prior").diag().sqrt().unsqueeze(1) / 0.01);
        }
        var all = stack(noises);
        all.mean().item<float>().ShouldBe(0, 0.05);               // 4800 normal numbers: 0.05 is 3.5 deviations of their mean
        all.square().mean().item<float>().ShouldBe(1, 0.08);      // 4 deviations
        model.eval();
        peft.Penalty().ShouldBeNull();
    }

    [Fact]
    public void MonteCLoRAs_divergence_vanishes_at_the_priors_but_for_what_was_drawn()
    {
        using var peft = model.ApplyAdapter(Plain with { TargetModules = ["enter"], Monteclora = new() { Samples = 3, DirichletPrior = 0.7, DivergenceWeight = 2 } });
        using (no_grad())
        {
            Value(peft, "lora_monteclora_sampler.std_prior").zero_();
            Value(peft, "lora_monteclora_sampler.expert_weights_prior").fill_(Math.Log(0.7));
        }
        model.train();
        peft.Penalty().ShouldBeNull();   // nothing was drawn yet
        model.call(x);
        var v = Value(peft, "lora_monteclora_sampler.gaussian_var_prior").diag();
        var expected = 3 * (v.sum() - v.log().sum() - 2).item<float>();
        peft.Penalty()!.item<float>().ShouldBe(expected, 1e-3);
        Value(peft, "lora_monteclora_sampler.expert_weights").sum().item<float>().ShouldBe(1, 1e-5);

        peft.Shake();
        (model.call(x).square().sum() + model.call(-x).square().sum() + peft.Penalty()!).backward();   // two passes before one gradient
        peft.Trainables.ShouldAllBe(tensor => tensor.Value.grad!.abs().max().item<float>() > 0);
    }

    [Fact]
    public void What_does_not_go_together_is_refused_with_what_to_do()
    {
        Refused(Plain with { Kasa = new(), Velora = new() }, "Kasa and Velora");
        Refused(Plain with { UseDora = true, Monteclora = new() }, "Monteclora and UseDora");
        Refused(Plain with { Kasa = new(), Initialization = LoraInitialization.Pissa }, "pissa");
        Refused(Plain with { Kasa = new() { Beta = -1 } }, "Beta");
        Refused(Plain with { Rank = 6, Kasa = new() }, "RankPattern");
        Refused(Plain with { BdLora = new() { BlocksInA = ["enter"] } }, "MatchStrict");
        Refused(Plain with { BdLora = new() { BlocksInA = ["enter"], BlocksInB = ["ent"] } }, "one factor");
        Refused(Plain with { BdLora = new() { BlocksInA = ["enter"], BlocksInB = ["enter"] } }, "[enter]");
        Refused(Plain with { BdLora = new() { Blocks = 4, BlocksInA = ["enter"], MatchStrict = false } }, "4 blocks");
        Refused(Plain with { Velora = new() { Direction = "up", Groups = 0, Scale = 0 } }, "'up'", "Groups", "Scale");
        Refused(Plain with { Monteclora = new() { Samples = 0, BufferSize = 0, DirichletPrior = 0 } }, "Samples", "BufferSize", "DirichletPrior");

        using var peft = model.ApplyAdapter(Variant("Kasa"));
        Should.Throw<AdapterOptionsException>(() => peft.FreezeA()).Message.ShouldContain("Kasa");
        Should.Throw<AdapterOptionsException>(() => peft.InitializeEva([x], sample => model.call(sample))).Message.ShouldContain("Kasa");
        peft.Shake();
        var output = model.call(x);
        peft.SaveAsPlainLora(folder);
        peft.HotSwap("default", folder);   // a plain LoRA in the place of a variant
        model.call(x).Difference(output).ShouldBeLessThan(1e-4f);

        void Refused(LoraOptions options, params string[] parts)
        {
            var message = Should.Throw<AdapterOptionsException>(() => model.ApplyAdapter(options)).Message;
            foreach (var part in parts) message.ShouldContain(part);
        }
    }

    private static Tensor Value(PeftModel peft, string name) => peft.Find("default").Tensors.Single(pair => pair.Key.EndsWith(name, StringComparison.Ordinal)).Tensor.Value;
}
