using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Peft.Lora.Tests;

/// <summary>LoRA on parameters of modules that adapters cannot enter otherwise.</summary>
public sealed class ParameterTests
{
    [Fact]
    public void A_matrix_per_expert_is_adapted_as_the_formula_says()
    {
        using var scope = NewDisposeScope();
        using var model = new Router();
        var input = randn(5, 4);
        var before = model.call(input);
        var bits = model.Bits();
        var peft = model.ApplyAdapter(new LoraOptions { Rank = 2, Alpha = 6, TargetModules = Array.Empty<string>(), TargetParameters = ["experts.up", "experts.down"] });

        model.call(input).Difference(before).ShouldBe(0);
        peft.Shake();
        var adapted = model.call(input);
        var state = peft.StateOf(peft.Find(PeftModel.DefaultName));
        state.Keys.Order().ShouldBe([
            "base_model.model.experts.base_layer.lora_A.weight", "base_model.model.experts.base_layer.lora_B.weight",
            "base_model.model.experts.lora_A.weight", "base_model.model.experts.lora_B.weight",
        ]);
        Tensor Updated(Tensor weight, string path)
        {
            var (a, b) = (state[$"base_model.model.{path}lora_A.weight"], state[$"base_model.model.{path}lora_B.weight"]);
            a.shape.ShouldBe([2 * Router.Count, weight.shape[2]]);
            b.shape.ShouldBe([weight.shape[1], 2 * Router.Count]);
            // The rank is the slower index of B's columns and the faster one of A's rows.
            var update = einsum("ore,eri->eoi", b.reshape(weight.shape[1], 2, Router.Count), a.reshape(Router.Count, 2, weight.shape[2]));
            return weight + update * 3;
        }
        var expected = Router.Compute(input, Updated(model.Experts.Up, "experts.base_layer."), Updated(model.Experts.Down, "experts."));
        adapted.Difference(expected).ShouldBeLessThan(1e-5f);   // sums in another order
        adapted.Difference(before).ShouldBeGreaterThan(1e-2f);

        peft.Merge();
        model.call(input).Difference(expected).ShouldBeLessThan(1e-5f);
        peft.Unmerge();
        model.call(input).Difference(adapted).ShouldBe(0);
        peft.Dispose();
        model.ShouldHaveBits(bits);
        model.call(input).Difference(before).ShouldBe(0);
    }

    // In a module of one's own there are no default targets besides.
    [Fact]
    public void Only_the_parameters_are_adapted_if_no_modules_are_named()
    {
        using var model = new Router();
        using var peft = model.ApplyAdapter(new LoraOptions { Rank = 2, TargetParameters = ["experts.up"] });
        peft.Find(PeftModel.DefaultName).Layers.ShouldHaveSingleItem();
    }

    [Fact]
    public void The_factors_of_a_parameter_learn_and_nothing_else_does()
    {
        using var scope = NewDisposeScope();
        using var model = new Router();
        using var peft = model.ApplyAdapter(new LoraOptions { TargetModules = Array.Empty<string>(), TargetParameters = ["up"] });
        peft.Shake();
        model.call(randn(5, 4)).square().sum().backward();
        foreach (var tensor in peft.Trainables) tensor.Value.grad!.abs().max().item<float>().ShouldBeGreaterThan(0);
        foreach (var (_, parameter) in model.named_parameters()) parameter.grad.ShouldBeNull();
        peft.Unreached.ShouldBeEmpty();
    }

    [Fact]
    public void A_pass_that_throws_leaves_the_parameter_as_it_was()
    {
        using var scope = NewDisposeScope();
        using var model = new Router();
        var bits = model.Bits();
        var peft = model.ApplyAdapter(new LoraOptions { TargetModules = Array.Empty<string>(), TargetParameters = ["up"] });
        peft.Shake();
        Should.Throw<ArgumentException>(() => model.call(randn(5, 3)));
        peft.Dispose();
        model.ShouldHaveBits(bits);
    }

    [Fact]
    public void A_parameter_that_does_not_exist_or_is_no_matrix_is_named()
    {
        using var scope = NewDisposeScope();
        using var model = new Router();
        Should.Throw<TargetNotFoundException>(() => model.ApplyAdapter(new LoraOptions { TargetModules = Array.Empty<string>(), TargetParameters = ["sideways"] })).Message.ShouldContain("sideways");
        Should.Throw<TargetNotFoundException>(() => model.ApplyAdapter(new LoraOptions { TargetModules = Array.Empty<string>(), TargetParameters = ["gain"] })).Message.ShouldContain("experts.gain is [4]");
        Should.Throw<AdapterOptionsException>(() => model.ApplyAdapter(new LoraOptions { TargetModules = Array.Empty<string>(), TargetParameters = ["up"], Dropout = 0.1 })).Message.ShouldContain("Dropout");
    }

    [Fact]
    public void Rows_cannot_have_parameters_of_their_own()
    {
        using var scope = NewDisposeScope();
        using var model = new Router();
        using var peft = model.ApplyAdapter(new LoraOptions { TargetModules = Array.Empty<string>(), TargetParameters = ["up"] });
        Should.Throw<PeftException>(() => peft.Rows("default", PeftModel.Base)).Message.ShouldContain("Run the rows in separate forward passes");
    }

    [Theory]
    [InlineData(false, "dense.base_layer.bias scale.bias")]
    [InlineData(true, "scale.bias scale.weight")]
    public void Parameters_of_modules_of_ones_own_are_trained_with_the_modules_or_with_all_biases(bool whole, string trained)
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        using var model = new Affine();
        var bits = model.Bits();
        var input = randn(5, 4);
        var before = model.call(input);
        var options = new LoraOptions { Rank = 2, TargetModules = ["dense"], Bias = whole ? "none" : "all", ModulesToSave = whole ? ["scale"] : null };
        Tensor adapted;
        using (var peft = model.ApplyAdapter(options))
        {
            peft.Trainables.Select(tensor => tensor.Name.Replace("base_model.model.", "")).Where(name => !name.Contains("lora")).Order(StringComparer.Ordinal).ShouldBe(trained.Split(' '));
            model.call(input).Difference(before).ShouldBe(0);
            peft.Shake();
            adapted = model.call(input);
            adapted.square().sum().backward();
            peft.Trainables.ShouldAllBe(tensor => tensor.Value.grad!.abs().sum().item<float>() > 0);
            peft.Save(folder);
        }
        model.ShouldHaveBits(bits);
        using (var again = model.ApplyAdapter(folder))
        {
            model.call(input).Difference(adapted).ShouldBe(0);
            again.Merge();
            model.call(input).RelativeDifference(adapted).ShouldBeLessThan(1e-5f);
        }
        model.ShouldHaveBits(bits);
    }

    [Fact]
    public void What_cannot_be_trained_in_place_is_refused()
    {
        using var scope = NewDisposeScope();
        using var normalized = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4));
        var options = new LoraOptions { Rank = 2, TargetModules = ["0"] };
        Should.Throw<AdapterOptionsException>(() => normalized.ApplyAdapter(options with { ModulesToSave = ["1"] })).Message.ShouldContain("1 (BatchNorm1d) has statistics (running_mean)");
        normalized.ApplyAdapter(options).Dispose();

        using var model = new Router();
        Should.Throw<AdapterOptionsException>(() => model.ApplyAdapter(new LoraOptions { TargetParameters = ["experts.up"], ModulesToSave = ["experts"] })).Message.ShouldContain("cannot be adapted too");
        using var table = nn.Sequential(nn.Embedding(9, 4), nn.Linear(4, 4));
        Should.Throw<AdapterOptionsException>(() => table.ApplyAdapter(new LoraOptions { TargetParameters = ["0.weight"] })).Message.ShouldContain("not stored as [out, in]");
        table.ApplyAdapter(new LoraOptions { TargetParameters = ["1.weight"] }).Dispose();
    }

    /// <summary>A linear module and one whose parameters only its own code uses.</summary>
    private sealed class Affine : nn.Module<Tensor, Tensor>
    {
        private readonly TorchSharp.Modules.Linear dense = nn.Linear(4, 4);
        private readonly Scale scale = new();

        public Affine() : base(nameof(Affine)) => RegisterComponents();

        public override Tensor forward(Tensor x) => scale.call(dense.call(x));
    }

    private sealed class Scale : nn.Module<Tensor, Tensor>
    {
        private readonly Parameter weight = new(rand(4) + 1), bias = new(randn(4));

        public Scale() : base(nameof(Scale))
        {
            weight.DetachFromDisposeScope();
            bias.DetachFromDisposeScope();
            RegisterComponents();
        }

        public override Tensor forward(Tensor x) => x * weight + bias;
    }

    /// <summary>A mixture of experts as published models have it: one parameter [experts, out, in] for all experts.</summary>
    private sealed class Router : nn.Module<Tensor, Tensor>
    {
        public const int Count = 3;
        public readonly Experts Experts = new();

        public Router() : base(nameof(Router)) => register_module("experts", Experts);

        public override Tensor forward(Tensor x) => Experts.call(x);

        public static Tensor Compute(Tensor x, Tensor up, Tensor down)
            => nn.functional.relu(x.unsqueeze(0).matmul(up.transpose(1, 2))).matmul(down.transpose(1, 2)).mean([0L]);
    }

    private sealed class Experts : nn.Module<Tensor, Tensor>
    {
        public readonly Parameter Up = new(randn(Router.Count, 6, 4)), Down = new(randn(Router.Count, 4, 6)), Gain = new(ones(4));

        public Experts() : base(nameof(ParameterTests.Experts))
        {
            foreach (var (name, parameter) in new[] { ("up", Up), ("down", Down), ("gain", Gain) })
            {
                parameter.DetachFromDisposeScope();
                register_parameter(name, parameter);
            }
        }

        public override Tensor forward(Tensor x) => x.shape[1] == 4 ? Router.Compute(x, Up, Down) * Gain : throw new ArgumentException("The input is 4 wide.");
    }
}
