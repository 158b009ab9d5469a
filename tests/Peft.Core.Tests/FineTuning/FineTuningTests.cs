using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Core.Tests.FineTuning;

public sealed class FineTuningTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();
    private readonly Tower model = Tower.Create();
    private readonly Tensor ids;

    public FineTuningTests()
    {
        manual_seed(8);
        ids = randint(Tower.Words, [4, 5]);
    }

    public void Dispose()
    {
        model.Dispose();
        scope.Dispose();
    }

    [Fact]
    public void Full_fine_tuning_trains_every_parameter_once_and_gives_the_base_back_bit_for_bit()
    {
        var (bits, before) = (model.Bits(), model.call(ids));
        using var peft = model.ApplyFull();
        peft.Trainables.Select(tensor => tensor.Name).ShouldBe(model.named_parameters().Select(pair => "base_model.model." + pair.name).Where(name => name != "base_model.model.head.weight"), ignoreOrder: true);
        peft.Find("default").Options.PeftType.ShouldBe("FULL");
        model.call(ids).Difference(before).ShouldBe(0);

        peft.Shake();
        var tuned = model.call(ids);
        peft.Unreached.ShouldBeEmpty();
        tuned.Difference(before).ShouldBeGreaterThan(0.1f);
        tuned.square().sum().backward();
        peft.Trainables.ShouldAllBe(tensor => tensor.Value.grad!.abs().sum().item<float>() > 0);
        using (peft.WithoutAdapters()) model.call(ids).Difference(before).ShouldBe(0);

        peft.Merge();
        model.call(ids).Difference(tuned).ShouldBe(0);
        peft.Unmerge();
        model.ShouldHaveBits(bits);
        peft.Unload();
        model.ShouldHaveBits(bits);
        model.parameters().ShouldAllBe(parameter => parameter.requires_grad);
    }

    [Fact]
    public void Merging_full_fine_tuning_takes_the_trained_weights_themselves()
    {
        using var peft = model.ApplyFull();
        peft.Shake();
        var trained = peft.Trainables.Select(tensor => TensorAddress.Of(tensor.Value)).ToHashSet();
        var own = Addresses();
        own.Overlaps(trained).ShouldBeFalse();
        peft.Merge();
        Addresses().ShouldBe(trained, ignoreOrder: true);
        peft.Unmerge();
        Addresses().ShouldBe(own, ignoreOrder: true);

        var tuned = model.call(ids);
        peft.MergeAndUnload();
        Addresses().ShouldBe(trained, ignoreOrder: true);
        model.call(ids).Difference(tuned).ShouldBe(0);
        model.parameters().ShouldAllBe(parameter => parameter.requires_grad);

        HashSet<IntPtr> Addresses() => [.. model.parameters().Select(TensorAddress.Of)];
    }

    [Fact]
    public void Full_fine_tuning_gives_the_numbers_of_training_the_model_itself()
    {
        using var twin = Tower.Create();
        var before = model.call(ids);
        using var peft = model.ApplyFull();
        var rows = TrainingDataset.From(ids, ids.roll(1, 1));
        var options = new TrainingOptions { MaxSteps = 4, BatchSize = 2, LearningRate = 0.01 };
        new Trainer(peft, rows, options).Train();
        new Trainer(new ModuleTrainable(twin), rows, options).Train();
        peft.MergeAndUnload();
        // Not to the bit: the products of this library and of torch may add in another order.
        foreach (var (ours, theirs) in model.named_parameters().Zip(twin.named_parameters())) ours.parameter.Difference(theirs.parameter).ShouldBeLessThan(1e-6f, ours.name);
        model.call(ids).Difference(before).ShouldBeGreaterThan(0.1f);
    }

    [Fact]
    public void What_required_no_gradient_stays_out_of_full_fine_tuning()
    {
        foreach (var (name, parameter) in model.named_parameters()) parameter.requires_grad = name.StartsWith("layers.1", StringComparison.Ordinal);
        using (var peft = model.ApplyFull())
            peft.Trainables.Select(tensor => tensor.Name).ShouldBe(["base_model.model.layers.1.dense.weight", "base_model.model.layers.1.dense.bias", "base_model.model.layers.1.gain"]);
        foreach (var parameter in model.parameters()) parameter.requires_grad = false;
        Should.Throw<TargetNotFoundException>(() => model.ApplyFull()).Message.ShouldContain("requires_grad");
    }

    [Theory]
    [InlineData("layers.-1 norm", "layers.2.dense.weight layers.2.dense.bias norm.weight norm.bias layers.2.gain")]
    [InlineData("layers.-3.dense", "layers.0.dense.weight layers.0.dense.bias")]
    [InlineData("layers.1.gain dense.bias", "layers.0.dense.bias layers.1.dense.bias layers.2.dense.bias layers.1.gain")]
    [InlineData("head", "embed.weight head.bias")]
    [InlineData("embed", "embed.weight")]
    public void Partial_fine_tuning_trains_what_the_names_mean(string names, string parameters)
    {
        var bits = model.Bits();
        using var peft = model.ApplyPartial(names.Split(' '));
        peft.Trainables.Select(tensor => tensor.Name).ShouldBe(parameters.Split(' ').Select(name => "base_model.model." + name), ignoreOrder: true);
        peft.Shake();
        var tuned = model.call(ids);
        peft.Merge();
        model.call(ids).Difference(tuned).ShouldBe(0);
        peft.Unmerge();
        model.ShouldHaveBits(bits);
    }

    [Fact]
    public void Names_that_mean_nothing_are_refused_also_where_others_mean_something()
    {
        Should.Throw<TargetNotFoundException>(() => model.ApplyPartial("norm", "layers.-4")).Message.ShouldContain("[layers.-4]");
        Should.Throw<TargetNotFoundException>(() => model.ApplyPartial("nrm")).Message.ShouldContain("norm (1 module)");
        Should.Throw<AdapterOptionsException>(() => model.ApplyPartial()).Message.ShouldContain("is empty");
        PeftModel.Of(model).ShouldBeNull();
    }

    [Fact]
    public void Saved_partial_and_full_fine_tuning_come_back_bit_for_bit()
    {
        using var folder = new TemporaryFolder();
        using (var peft = model.ApplyFull())
        {
            peft.Shake();
            peft.SaveAdapter(folder.Path);
            peft.Add("part", new PartialOptions { TargetModules = ["layers.-1", "head"] });
            peft.Activate("part");
            peft.Shake();
            peft.SaveAdapter(folder.Path);
            peft.Activate("default");
            var full = model.call(ids);
            peft.Activate("part");
            var part = model.call(ids);

            using var other = Tower.Create();
            using var loaded = other.ApplyAdapter(folder.Path);
            other.call(ids).Difference(full).ShouldBe(0);
            loaded.LoadAdapter(folder["part"], "part").Activate("part");
            other.call(ids).Difference(part).ShouldBe(0);
            ((PartialOptions)loaded.Find("part").Options).TargetModules.ShouldBe(["layers.-1", "head"]);
        }
        using var file = AdapterCheckpoint.OpenTensors(folder.Path);
        file.Tensors.Keys.ShouldContain("base_model.model.layers.0.gain");
        file.Tensors.Keys.ShouldNotContain("base_model.model.head.weight");   // tied: once in the file
    }

    [Fact]
    public void A_half_width_model_trains_a_float32_copy()
    {
        using var half = Tower.Create(ScalarType.BFloat16);
        using var peft = half.ApplyFull();
        peft.Trainables.ShouldAllBe(tensor => tensor.Value.dtype == ScalarType.Float32);
        peft.Shake();
        var tuned = half.call(ids);
        tuned.dtype.ShouldBe(ScalarType.BFloat16);
        peft.MergeAndUnload();
        half.parameters().ShouldAllBe(parameter => parameter.dtype == ScalarType.BFloat16);
        half.call(ids).Difference(tuned).ShouldBe(0);
    }

    [Fact]
    public void An_adapter_of_another_method_stands_around_a_tuned_part()
    {
        using var peft = model.ApplyPartial("layers.0", "norm");
        peft.Add("tokens", new TrainableTokensOptions { TokenIndices = [1, 4], TargetModules = new[] { "embed" } });
        peft.Activate("default", "tokens");
        peft.Shake();
        var both = model.call(ids);
        peft.Merge();
        model.call(ids).Difference(both).ShouldBeLessThan(1e-5);   // float32
        peft.Unmerge();
        peft.Delete("default");
        peft.Active.ShouldBe(["tokens"]);
        model.call(ids).Difference(both).ShouldBeGreaterThan(0.01);
    }

    public static TheoryData<string, bool> OtherModules => new()
    {
        { "batch", true }, { "group", true }, { "instance", true }, { "prelu", true }, { "transposed", true }, { "encoder", false },
    };

    /// <summary>A parameter that a module uses in native code would be trained without effect: it is refused.</summary>
    [Theory, MemberData(nameof(OtherModules))]
    public void Parameters_of_modules_that_are_no_targets_are_trained_or_refused(string kind, bool trained)
    {
        var (module, input) = kind switch
        {
            "batch" => (nn.BatchNorm1d(4), randn(5, 4)),
            "group" => (nn.GroupNorm(2, 4), randn(5, 4, 6)),
            "instance" => (nn.InstanceNorm1d(4, affine: true), randn(5, 4, 6)),
            "prelu" => (nn.PReLU(4), randn(5, 4)),
            "transposed" => (nn.ConvTranspose1d(4, 3, 2), randn(5, 4, 6)),
            _ => ((nn.Module<Tensor, Tensor>)new Encoder(), randn(5, 3, 8)),
        };
        using var _ = module;
        module.eval();
        // TorchSharp leaves the weight of a GroupNorm as it finds the memory: a zero there would have no gradient.
        using (no_grad())
            foreach (var parameter in module.parameters()) parameter.uniform_(0.5, 1.5);
        var before = module.call(input);
        using var bare = nn.Sequential(module);
        if (trained)
        {
            using var peft = bare.ApplyFull();
            peft.Trainables.ShouldNotBeEmpty();
            foreach (var tensor in peft.Trainables)
            {
                using (no_grad()) tensor.Value.add_(0.5);
                bare.call(input).Difference(before).ShouldBeGreaterThan(1e-3, tensor.Name);
                using (no_grad()) tensor.Value.sub_(0.5);
            }
            bare.call(input).square().sum().backward();
            peft.Trainables.ShouldAllBe(tensor => tensor.Value.grad!.abs().sum().item<float>() > 0);
        }
        else
        {
            Should.Throw<PeftException>(() =>
            {
                using var peft = bare.ApplyFull();
                bare.call(input);
            }).Message.ShouldContain(nameof(ModuleTrainable));
        }
        module.call(input).Difference(before).ShouldBe(0);
    }

    private sealed class Encoder : nn.Module<Tensor, Tensor>
    {
        private readonly TorchSharp.Modules.TransformerEncoderLayer layer = nn.TransformerEncoderLayer(8, 2, 16, 0.0);

        public Encoder() : base(nameof(Encoder)) => RegisterComponents();

        public override Tensor forward(Tensor input) => layer.call(input, null!, null!);
    }
}
