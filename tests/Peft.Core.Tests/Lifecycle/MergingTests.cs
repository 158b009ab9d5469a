using Peft.Models;
using static TorchSharp.torch;

namespace Peft.Core.Tests.Lifecycle;

/// <summary>Adapters written into the base weights, and these restored.</summary>
public sealed class MergingTests : UserModelTests
{
    [Fact]
    public void Merging_equals_the_forward_pass_and_unmerging_restores_the_bits_for_stacks_of_adapters()
    {
        var (bits, before) = (Model.Bits(), Model.call(Input));
        using var peft = Model.ApplyAdapter(new LoraOptions { Rank = 2, TargetModules = ModuleSelector.AllLinear }, "plain");
        peft.Add("dora", new LoraOptions { Rank = 3, UseDora = true, TargetModules = ["enter", "0"] });
        peft.Add("bias", new LoraOptions { Rank = 1, UseLoraBias = true, Bias = "all", TargetModules = ["leave", "list.1"] });
        peft.Add("pissa", new LoraOptions { Rank = 2, Initialization = LoraInitialization.Pissa, TargetModules = ["middle.2", "leave"] });
        foreach (var names in new string[][] { ["plain"], ["dora"], ["plain", "dora"], ["dora", "plain"], ["pissa", "dora", "bias", "plain"] })
        {
            peft.Activate(names);
            peft.Shake();
            var output = Model.call(Input);
            peft.Merge();
            Model.call(Input).RelativeDifference(output).ShouldBeLessThan(1e-4, string.Join("+", names));   // float32 sums in another order
            using (peft.WithoutAdapters()) Model.call(Input).Difference(before).ShouldBe(0);
            peft.Unmerge();
            Model.ShouldHaveBits(bits);
        }
    }

    [Fact]
    public void A_safe_merge_refuses_numbers_that_are_not_finite_and_changes_nothing()
    {
        var bits = Model.Bits();
        using var peft = Model.ApplyLora(rank: 2);
        using (no_grad()) peft.Trainables[^1].Value.fill_(float.NaN);
        Should.Throw<NotMergeableException>(() => peft.Merge(safe: true)).Message.ShouldContain("NaN");
        Model.ShouldHaveBits(bits);
        peft.IsMerged.ShouldBeFalse();
        peft.Merge();   // which is not safe
        Model.parameters().Any(parameter => parameter.isnan().any().item<bool>()).ShouldBeTrue();
        peft.Unmerge();
        Model.ShouldHaveBits(bits);
    }

    [Fact]
    public void A_permanent_merge_refuses_numbers_that_are_not_finite_in_weights_and_biases_and_changes_nothing()
    {
        var bits = Model.Bits();
        using var peft = Model.ApplyAdapter(new LoraOptions { Rank = 2, UseLoraBias = true, TargetModules = ["enter", "leave"] });
        foreach (var key in new[] { "leave.lora_B.weight", "leave.lora_B.bias" })
        {
            var tensor = peft.Trainables.Single(each => each.Name.EndsWith(key, StringComparison.Ordinal)).Value;
            using (no_grad()) tensor.fill_(double.PositiveInfinity);
            Should.Throw<NotMergeableException>(() => peft.MergeAndUnload(safe: true)).Message.ShouldContain("NaN or infinity to leave");
            using (no_grad()) tensor.zero_();
        }
        Model.ShouldHaveBits(bits);
        PeftModel.Of(Model).ShouldBe(peft);
        peft.MergeAndUnload(safe: true);
        peft.IsMerged.ShouldBeFalse();
        PeftModel.Of(Model).ShouldBeNull();
    }

    [Fact]
    public void A_bias_that_a_module_lacks_cannot_be_merged_and_nothing_is_changed()
    {
        using var bare = nn.Sequential(nn.Linear(6, 8), nn.Linear(8, 4, hasBias: false));
        var bits = bare.Bits();
        using var peft = bare.ApplyAdapter(new LoraOptions { Rank = 2, UseLoraBias = true, TargetModules = ["0", "1"] });
        peft.Shake();
        Should.Throw<NotMergeableException>(() => peft.Merge()).Message.ShouldContain("1 has no bias");
        bare.ShouldHaveBits(bits);
        peft.IsMerged.ShouldBeFalse();
    }

    [Fact]
    public void What_merged_weights_do_not_allow_is_refused_until_they_are_restored()
    {
        using var folder = new TemporaryFolder();
        using var peft = Model.ApplyLora(rank: 2);
        peft.Add("second", new LoraOptions { Rank = 1, TargetModules = ["enter"] });
        peft.SaveAdapter(folder);
        Should.Throw<PeftException>(() => peft.Unmerge()).Message.ShouldContain("No adapters are merged");
        peft.Merge();
        Should.Throw<PeftException>(() => peft.Merge()).Message.ShouldContain("already merged");
        foreach (var (change, what) in new (Action, string)[]
                 {
                     (() => peft.Activate("second"), "Activate"), (() => peft.Add("third", new LoraOptions()), "Add"), (() => peft.Delete("second"), "Delete"), (() => peft.HotSwap("default", folder), "HotSwap"),
                     (() => peft.Rows("default"), "Rows"), (() => peft.WithAdapters("default"), "WithAdapters"), (() => peft.BeginTraining(), "Training"), (() => peft.LoadAdapter(folder, "third"), "Add"),
                 })
            Should.Throw<PeftException>(change).Message.ShouldBe($"{what} is not possible while adapters are merged into the weights: call Unmerge() first.");
        peft.Rename("second", "other");
        peft.Freeze("default");
        peft.Adapters.Keys.ShouldBe(["default", "other"], ignoreOrder: true);
        peft.Active.ShouldBe(["default"]);
        peft.Unmerge();
        peft.Activate("other");
    }

    [Fact]
    public void Unloading_a_merged_model_takes_the_weights_back_and_a_permanent_merge_keeps_them()
    {
        var (bits, before) = (Model.Bits(), Model.call(Input));
        var peft = Model.ApplyLora(rank: 2);
        peft.Shake();
        peft.Merge();
        peft.Unload();
        Model.ShouldHaveBits(bits);
        peft.IsMerged.ShouldBeFalse();
        Model.call(Input).Difference(before).ShouldBe(0);

        peft = Model.ApplyLora(rank: 2);
        peft.Shake();
        peft.Merge();
        var merged = Model.Bits();
        peft.MergeAndUnload().ShouldBe(Model);
        Model.ShouldHaveBits(merged);
        PeftModel.Of(Model).ShouldBeNull();
        peft.IsMerged.ShouldBeFalse();
        Model.parameters().ShouldAllBe(parameter => parameter.requires_grad);
    }

    [Fact]
    public void Memory_stays_flat_over_merges()
    {
        using var peft = Model.ApplyLora(rank: 2);
        void Round()
        {
            using var round = NewDisposeScope();
            peft.Merge();
            peft.Unmerge();
        }
        for (var i = 0; i < 3; i++) Round();
        GC.Collect();
        GC.WaitForPendingFinalizers();
        var before = Tensor.TotalCount;
        for (var i = 0; i < 20; i++) Round();
        Tensor.TotalCount.ShouldBe(before);
    }

    [Fact]
    public void While_adapters_are_merged_the_base_weights_are_what_is_saved_of_the_base()
    {
        using var peft = Model.ApplyLora(rank: 2, targets: new[] { "enter" });
        peft.Shake();
        var target = peft.Tree.Targets.Single(each => each.Path == "enter");
        var before = target.Storage.Read().Bits();
        peft.Merge();
        target.Storage.Read().Bits().ShouldNotBe(before);
        peft.BaseOf(target.Storage).Read().Bits().ShouldBe(before);
        peft.Unmerge();
        target.Storage.Read().Bits().ShouldBe(before);
    }

    [Fact]
    public void Two_modules_with_one_weight_cannot_be_merged_apart_and_both_are_named()
    {
        using var twins = new Twins();
        using var peft = twins.ApplyAdapter(new LoraOptions { Rank = 2, TargetModules = ["first"] });
        peft.Shake();
        var message = Should.Throw<NotMergeableException>(() => peft.Merge()).Message;
        message.ShouldContain("first cannot be merged: second shares its weight and would change, too.");
        message.ShouldContain("untie second before adding adapters");
    }

    [Fact]
    public void Two_modules_with_one_weight_are_merged_where_both_have_the_same_or_only_biases_change()
    {
        using var twins = new Twins();
        twins.ShouldMerge(twins.ApplyFull());
        twins.ShouldMerge(twins.ApplyAdapter(new LoraOptions { Rank = 2, TargetModules = ["third"], Bias = "all" }));
    }

    [Fact]
    public void Two_modules_with_one_weight_and_factors_of_their_own_cannot_be_merged()
    {
        using var twins = new Twins();
        using var peft = twins.ApplyAdapter(new LoraOptions { Rank = 2, TargetModules = ["first", "second"] });
        peft.Add("full", new FullOptions());
        Should.Throw<NotMergeableException>(() => peft.Merge()).Message.ShouldContain("shares its weight and would change");
        peft.Activate("full", "default");
        Should.Throw<NotMergeableException>(() => peft.Merge()).Message.ShouldContain("shares its weight and would change");
        peft.Activate("full");
        peft.Merge();
    }

    [Fact]
    public void Two_modules_with_one_weight_cannot_be_merged_where_one_has_an_adapter_more()
    {
        using var twins = new Twins();
        using var peft = twins.ApplyFull();
        peft.Add("one", new LoraOptions { Rank = 2, TargetModules = ["first"] });
        peft.Activate("default", "one");
        Should.Throw<NotMergeableException>(() => peft.Merge()).Message.ShouldContain("second shares its weight and would change, too");
    }

    [Fact]
    public void Repeated_layers_cannot_be_merged_and_go_with_their_adapter()
    {
        using var model = CausalLM.FromConfig(ModelConfig.Parse("""
            {"model_type":"llama","vocab_size":40,"hidden_size":16,"intermediate_size":24,"num_hidden_layers":2,"num_attention_heads":2}
            """), 7);
        using var peft = new PeftModel(model);
        var count = peft.Tree.Targets.Count;
        peft.Add("longer", new LoraOptions { Rank = 2, LayerReplication = [new(0, 2), new(1, 2)] });
        peft.Tree.Targets.Count.ShouldBeGreaterThan(count);
        Should.Throw<NotMergeableException>(() => peft.MergeAndUnload()).Message.ShouldContain("layers in another order");
        peft.Delete("longer");
        peft.Tree.Targets.Count.ShouldBe(count);
    }

    private sealed class Twins : nn.Module<Tensor, Tensor>
    {
        private readonly TorchSharp.Modules.Linear first = nn.Linear(4, 4), second = nn.Linear(4, 4), third = nn.Linear(4, 4);

        public Twins() : base(nameof(Twins))
        {
            second.weight = first.weight;
            RegisterComponents();
        }

        public void ShouldMerge(PeftModel adapted)
        {
            using var peft = adapted;
            peft.Shake();
            var input = randn(3, 4);
            var output = call(input);
            peft.Merge();
            call(input).RelativeDifference(output).ShouldBeLessThan(1e-5);   // float32 sums in another order
        }

        public override Tensor forward(Tensor x) => third.call(second.call(first.call(x)));
    }
}
